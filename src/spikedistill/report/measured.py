"""What was measured of a setting and is shown as numbers: accuracies at other T, the teacher's answers, latency."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from spikedistill.report.html import Html, element, table
from spikedistill.report.items import MISSHAPEN, problem_of
from spikedistill.report.settings import Setting
from spikedistill.report.stored import Stored, number
from spikedistill.report.words import short_number

Entry = Mapping[str, Any]

LATENCY = ("ms", "ms_p10", "ms_p90", "images_per_second")


def measured(setting: Setting) -> list[Html]:
    """Return the tables of what was measured; nothing where nothing was. Runs are told apart by their seeds."""
    rows = [row for run in setting.runs for entry in run.evaluations for row in _rows(run, entry)]
    latencies = [one for run in setting.runs for entry in run.entries("latency")[:1] for one in _latency(run, entry)]
    made = []
    if rows:
        made.append(table(("seed", "what", "T", "of", "result"), rows, "What was measured since", "results"))
    if latencies:
        heads = ("seed", "images at once", "ms, median", "10 to 90 %", "images/s")
        where = "; ".join(dict.fromkeys(place for place, _ in latencies))
        made.append(table(heads, [row for _, row in latencies], f"How long a forward pass takes: {where}"))
    return [element("h4", "Measured"), *made] if made else []


def _rows(run: Stored, entry: Entry) -> Iterator[tuple[object, ...]]:
    say = SAID.get(str(entry.get("what")))
    if say is None:
        return
    try:
        problem = problem_of(entry)
        result = say(entry) if problem is None else problem
    except MISSHAPEN:
        result = "it is not as this version writes it"
    images, weights = number(entry.get("images")), entry.get("weights", "last")
    of = " ".join(
        [f"{images:,.0f}" if images is not None else "", str(entry.get("split", "test")), "images"]
        + ([f"({weights} weights)"] if weights != "last" else [])
    )
    yield str(run.recipe.seed), str(entry.get("what")), str(entry.get("steps", "")), of.strip(), result


def _accuracy(entry: Entry) -> str:
    said = f"{100 * entry['accuracy']:.2f} %"
    if (five := number(entry.get("accuracy_top5"))) is not None:
        said += f", among the first five {100 * five:.2f} %"
    before = number(entry.get("accuracy_before"))
    return said if before is None else f"{said} with norms estimated anew, {100 * before:.2f} % before"


def _agreement(entry: Entry) -> str:
    teacher = entry.get("teacher") or {}
    name, right = teacher.get("name", "the teacher"), number(teacher.get("accuracy"))
    of_teacher = "" if right is None else f" ({100 * right:.2f} %)"
    return f"the same answer as {name}{of_teacher}: {100 * entry['agreement']:.2f} %; KL to it {entry['kl']:.3g} nats"


def _calibration(entry: Entry) -> str:
    return f"ECE {100 * entry['ece']:.2f} %, Brier {entry['brier']:.3f}, NLL {entry['nll']:.3f}"


def _robustness(entry: Entry) -> str:
    clean = f"{100 * entry['clean']:.2f} % on the images as they are"
    left_out = ", ".join(str(one["name"]) for one in entry.get("left_out") or ())
    return clean + (f"; does not apply: {left_out}" if left_out else "")


def _energy(entry: Entry) -> str:
    exact = entry["conventions"]["exact"]
    rate = number(entry.get("firing_rate"))
    fires = "" if rate is None else f", {100 * rate:.2f} % of the neurons fire in a step"
    return f"{short_number(number(exact['synops']))} SynOps, {exact['energy_mj']['45nm-fp32']:.3g} mJ (exact){fires}"


def _latency(run: Stored, entry: Entry) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield where it was measured, and a row for each size of a batch."""
    try:
        where = f"{entry['device']}, {entry['precision']}, {entry['versions']['machine']}"
        for one in entry["batches"]:
            ms, low, high, speed = (short_number(number(one[name])) for name in LATENCY)
            yield where, (str(run.recipe.seed), one["batch"], ms, f"{low} to {high}", speed)
    except MISSHAPEN:
        return


SAID: dict[str, Callable[[Entry], str]] = {
    "accuracy": _accuracy,
    "energy": _energy,
    "calibration": _calibration,
    "agreement": _agreement,
    "robustness": _robustness,
}
"""The result of a measure in a line."""
