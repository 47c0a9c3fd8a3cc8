"""`spikedistill evaluate`: finished runs again, at any T, on any split."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from spikedistill.cli.energy_text import print_energy
from spikedistill.cli.parser import Parser, add_import, import_files
from spikedistill.cli.run_folders import run_folders
from spikedistill.cli.seeds import mean_and_deviation
from spikedistill.cli.shown import print_metrics, print_table
from spikedistill.machine.terminal import printable

if TYPE_CHECKING:
    from argparse import Namespace

    from spikedistill.runs.folder import Run

WHAT = ("accuracy", "energy", "all")
TECHNOLOGIES = ("45nm-fp32", "45nm-fp16", "45nm-int32", "45nm-int8")
"""Those of `spikedistill.evaluate.energy`, which takes seconds to import."""


def evaluate_command(words: list[str]) -> int:
    """Accuracy of finished runs at each time step, at any T; their spikes, operations and energy."""
    parser = Parser(
        prog="spikedistill evaluate",
        description=f"{evaluate_command.__doc__} Several runs give a table, with mean ± standard deviation over those "
        "that differ in their seeds alone. With --what, evaluation.json in the run's folder keeps what was measured.",
        allow_abbrev=False,
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder, as `spikedistill train` prints it")
    parser.add_argument("--what", choices=WHAT, help="accuracy (the default), energy or all")
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
    parser.add_argument("--images", type=int, metavar="N", help="images on which spikes are counted; 1000 by default")
    parser.add_argument(
        "--technology",
        choices=TECHNOLOGIES,
        default=TECHNOLOGIES[0],
        help=f"whose energies are shown: {', '.join(TECHNOLOGIES)}",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument("--json", action="store_true", help="print JSON: a list with an entry for each run")
    add_import(parser)
    given = parser.parse(words)
    folders = run_folders(given.runs)

    from spikedistill.runs.folder import open_run

    import_files(given.files)
    runs = [open_run(folder) for folder in folders]
    for run in runs:
        _ = run.metrics  # one that is not finished is refused before the first is evaluated
    accuracies = _accuracies(runs, given) if given.what != "energy" else []
    energies = _energies(runs, given) if given.what in ("energy", "all") else []
    if given.json:
        names = [{"run": str(run.folder), "name": run.recipe.name, "seed": run.recipe.seed} for run in runs]
        empty: list[dict[str, Any]] = [{}] * len(runs)
        measured = zip(names, accuracies or empty, energies or empty, strict=True)
        print(json.dumps([name | right | ({"energy": spikes} if spikes else {}) for name, right, spikes in measured]))
        return 0
    if len(accuracies) == 1:
        print_metrics(accuracies[0])
    elif accuracies:
        print_table(list(_rows(runs, accuracies)))
    for place, (run, found) in enumerate(zip(runs, energies, strict=bool(energies))):
        if place or accuracies:
            print()
        if len(runs) > 1:
            print(printable(str(run.folder)), end="\n\n")
        print_energy(found, given.technology)
    return 0


def _accuracies(runs: "Sequence[Run]", given: "Namespace") -> list[dict[str, Any]]:
    from spikedistill.runs.evaluate import evaluate_run
    from spikedistill.runs.evaluation import record

    found = []
    for run in runs:
        result = evaluate_run(run, given.steps, given.split, given.root, given.device, given.weights, given.reestimate)
        if given.what:
            data = {"name": run.recipe.data.name, "images": result["images"]}
            record(run, {"what": "accuracy", "weights": given.weights, "data": data} | result)
        found.append(result)
    return found


def _energies(runs: "Sequence[Run]", given: "Namespace") -> list[dict[str, Any]]:
    from spikedistill.runs.energy import IMAGES, energy_of_run
    from spikedistill.runs.evaluation import record

    found = []
    for run in runs:
        images = IMAGES if given.images is None else given.images
        counted = energy_of_run(run, given.steps, given.split, given.root, given.device, given.weights, images)
        record(run, counted)
        found.append(counted)
    return found


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
