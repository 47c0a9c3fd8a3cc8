"""`spikedistill evaluate`: finished runs again, at any T, on any split."""

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from spikedistill.cli.answers_text import (
    print_agreement,
    print_agreement_of_several,
    print_calibration,
    print_calibration_of_several,
    print_confusion,
)
from spikedistill.cli.anytime_text import print_anytime, print_latency, print_latency_of_several
from spikedistill.cli.energy_text import print_energy
from spikedistill.cli.features_text import print_features, print_outputs
from spikedistill.cli.parser import Parser, add_import, import_files
from spikedistill.cli.robustness_text import print_robustness, print_robustness_of_several
from spikedistill.cli.run_folders import run_folders
from spikedistill.cli.sample_text import print_sample
from spikedistill.cli.seeds import mean_and_deviation
from spikedistill.cli.shown import print_metrics, print_table
from spikedistill.errors import InputError, nearest
from spikedistill.machine.terminal import printable

if TYPE_CHECKING:
    from argparse import Namespace

    from spikedistill.runs.folder import Run

WHAT = (
    "accuracy",
    "energy",
    "calibration",
    "confusion",
    "agreement",
    "anytime",
    "latency",
    "sample",
    "robustness",
    "features",
    "outputs",
)
"""Measures of `spikedistill.runs.measures`, in the order in which they are taken and printed."""
TECHNOLOGIES = ("45nm-fp32", "45nm-fp16", "45nm-int32", "45nm-int8")
"""Those of `spikedistill.evaluate.energy`, which takes seconds to import."""


def evaluate_command(words: list[str]) -> int:
    """Accuracy of finished runs at each time step, at any T; energy, calibration, latency, robustness and more."""
    given = _parser().parse(words)
    folders = run_folders(given.runs)

    from spikedistill.runs.folder import open_run

    import_files(given.files)
    runs = [open_run(folder) for folder in folders]
    for run in runs:
        _ = run.metrics  # one that is not finished is refused before the first is evaluated
    found = [_measured(run, given) for run in runs]
    if given.json:
        names = [{"run": str(run.folder), "name": run.recipe.name, "seed": run.recipe.seed} for run in runs]
        flat = [name | _without_name(one.pop("accuracy", {})) | one for name, one in zip(names, found, strict=True)]
        print(json.dumps(flat))
    else:
        _print(runs, found, given)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="spikedistill evaluate",
        description=f"{evaluate_command.__doc__} Several runs give a table, with mean ± standard deviation over those "
        "that differ in their seeds alone. With --what, evaluation.json in the run's folder keeps what was measured.",
        allow_abbrev=False,
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder, as `spikedistill train` prints it")
    parser.add_argument(
        "--what", type=_measures, metavar="WHAT,...", help=f"{', '.join(WHAT)} or all; accuracy by default"
    )
    parser.add_argument("--steps", type=int, help="T; the recipe's own by default")
    parser.add_argument("--data.root", dest="root", help="folder of the data's files; the recipe's by default")
    parser.add_argument("--split", default="test", help="test (the default), validation or train")
    parser.add_argument("--weights", default="last", help="last (the default), or best on the validation split")
    parser.add_argument(
        "--reestimate",
        type=int,
        default=0,
        metavar="IMAGES",
        help="estimate the norms' statistics anew at this T, on so many training images; shows the accuracy before too",
    )
    parser.add_argument(
        "--images",
        type=int,
        metavar="N",
        help="on how many images what takes long is measured; energy, anytime, robustness: 1000; features: 500; "
        "agreement: all",
    )
    parser.add_argument(
        "--layer", metavar="PATH", help="features: whose activations, by its dotted path; what the classifier reads"
    )
    parser.add_argument(
        "--index", type=int, default=0, metavar="N", help="which image sample shows, from 0 (the default)"
    )
    parser.add_argument(
        "--technology",
        choices=TECHNOLOGIES,
        default=TECHNOLOGIES[0],
        help=f"whose energies are shown: {', '.join(TECHNOLOGIES)}",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument("--json", action="store_true", help="print JSON: a list with an entry for each run")
    add_import(parser)
    return parser


def _without_name(entry: dict[str, Any]) -> dict[str, Any]:
    """Accuracy stands beside the run's name in JSON, the other measures below theirs."""
    return {name: value for name, value in entry.items() if name != "what"}


def _measures(words: str) -> tuple[str, ...]:
    """Return the measures that are named, each once and in their order."""
    named = words.split(",")
    if "all" in named:
        return WHAT
    for name in named:
        if name not in WHAT:
            raise ArgumentTypeError(f"unknown measure {name!r}.{nearest(name, WHAT)} Allowed: {', '.join(WHAT)}, all.")
    return tuple(name for name in WHAT if name in named)


def _measured(run: "Run", given: "Namespace") -> dict[str, dict[str, Any]]:
    """Measure a run, and keep what was asked for by name."""
    from spikedistill.runs.evaluation import record
    from spikedistill.runs.measures import measure
    from spikedistill.runs.opened import open_to_measure

    opened = open_to_measure(
        run,
        steps=given.steps,
        split=given.split,
        root=given.root,
        device=given.device,
        weights=given.weights,
        images=given.images,
        reestimate=given.reestimate,
        index=given.index,
        layer=given.layer,
    )
    found = {}
    asked = given.what or ("accuracy",)
    for what in asked:
        if given.what and sys.stderr.isatty():  # some of them take minutes
            print(printable(f"{what} of {run.folder} ..."), file=sys.stderr)
        try:
            found[what] = measure(what, opened)
        except InputError as error:  # of several measures one that does not fit this run keeps none of the others away
            if len(asked) == 1:
                raise
            found[what] = {"problem": str(error)}
            continue
        if given.what:
            record(run, found[what])
    return found


def _print(runs: "Sequence[Run]", found: "Sequence[dict[str, dict[str, Any]]]", given: "Namespace") -> None:
    """Print what several runs have in one table, and then what else was measured of each."""
    both = zip(runs, found, strict=True)
    accuracies = [(run, one.pop("accuracy")) for run, one in both if "accuracy" in one.get("accuracy", {})]
    if len(accuracies) == 1:
        print_metrics(accuracies[0][1])
    elif accuracies:
        print_table(list(_rows(*zip(*accuracies, strict=True))))
    said = bool(accuracies)
    for what, print_several in PRINTED_TOGETHER.items():
        those = [(run, one) for run, one in zip(runs, found, strict=True) if "problem" not in one.get(what, NOTHING)]
        if len(those) > 1:
            print("\n" * said, end="")
            called = [f"{run.folder}, trained on {run.recipe.data.name}" for run, _ in those]
            settings = [_but_for_seeds(run) for run, _ in those]
            print_several(list(zip(called, settings, [one.pop(what) for _, one in those], strict=True)))
            said = True
    for run, one in zip(runs, found, strict=True):
        if len(runs) > 1 and one:
            print("\n" * said + printable(str(run.folder)))
            said = True
        for what, entry in one.items():
            print("\n" * said, end="")
            said = True
            if "problem" in entry:
                print(printable(f"No {what}: {entry['problem']}"))
            else:
                PRINTED[what](entry, given)


NOTHING = {"problem": "not asked for"}
PRINTED: "dict[str, Callable[[dict[str, Any], Namespace], None]]" = {
    "energy": lambda found, given: print_energy(found, given.technology),
    "calibration": lambda found, _: print_calibration(found),
    "confusion": lambda found, _: print_confusion(found),
    "agreement": lambda found, _: print_agreement(found),
    "anytime": lambda found, _: print_anytime(found),
    "latency": lambda found, _: print_latency(found),
    "sample": lambda found, _: print_sample(found),
    "robustness": lambda found, _: print_robustness(found),
    "features": lambda found, _: print_features(found),
    "outputs": lambda found, _: print_outputs(found),
}
"""How each measure of a run is printed, but for accuracy, which several runs have in one table."""
PRINTED_TOGETHER = {
    "calibration": print_calibration_of_several,
    "agreement": print_agreement_of_several,
    "latency": print_latency_of_several,
    "robustness": print_robustness_of_several,
}
"""How several runs are printed side by side, where that says more than one after the other."""


def _rows(runs: "Sequence[Run]", results: Sequence[dict[str, Any]]) -> Iterable[dict[str, str]]:
    """Yield a row for each run, and after runs that differ in their seeds alone one for their mean."""
    longest = max(result["steps"] for result in results)

    def row(name: str, seed: object, by_steps: Sequence[str], before: str) -> dict[str, str]:
        padded = [*by_steps, *[""] * (longest - len(by_steps))]
        anew = {"with its own norms": before} if before else {}
        return {"run": name, "seed": str(seed)} | {f"T = {t}": shown for t, shown in enumerate(padded, 1)} | anew

    def before(group: "Sequence[tuple[str, Run, dict[str, Any]]]") -> str:
        shares = [result["accuracy_before"] for _, _, result in group if "accuracy_before" in result]
        return mean_and_deviation(shares) if len(shares) > 1 else f"{shares[0]:.2%}" if shares else ""

    keyed = [(_but_for_seeds(run), run, result) for run, result in zip(runs, results, strict=True)]
    first = {key: place for place, (key, _, _) in reversed(list(enumerate(keyed)))}
    keyed.sort(key=lambda one: first[one[0]])  # settings in the order in which they were named
    for _, same in groupby(keyed, lambda one: one[0]):
        group = sorted(same, key=lambda one: one[1].recipe.seed)
        for one in group:
            _, run, result = one
            by_steps = [f"{share:.2%}" for share in result["accuracy_cumulative"]]
            yield row(str(run.folder), run.recipe.seed, by_steps, before([one]))
        if len(group) > 1:
            shares = zip(*(result["accuracy_cumulative"] for _, _, result in group), strict=True)
            name = group[0][1].recipe.name
            means = [mean_and_deviation(at_t) for at_t in shares]
            yield row(f"{name}: mean ± sd", f"n = {len(group)}", means, before(group))


def _but_for_seeds(run: "Run") -> str:
    """What two runs have in common that differ in their seeds alone."""
    from dataclasses import replace

    from spikedistill.recipe import everywhere
    from spikedistill.values.plain import digest

    return digest(everywhere(run.recipe, lambda recipe: replace(recipe, seed=0)))
