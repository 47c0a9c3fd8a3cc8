"""Which figures the stored numbers suffice for: of all settings together, and of one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spikedistill.report.figures import Curve, curves
from spikedistill.report.settings import Setting
from spikedistill.report.stored import Stored, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPLITS = {"train_accuracy": "training", "validation_accuracy": "validation", "accuracy": "test"}
"""Accuracies of a log's records, by what they are called on the page."""


@dataclass(frozen=True)
class Item:
    """A figure that can be drawn."""

    key: str
    """Letters, digits and -; its file is called so."""
    title: str
    description: str
    """What it shows, for those who do not see it."""
    draw: "Callable[[], Figure]"
    heads: tuple[str, ...] = ()
    rows: Sequence[Sequence[object]] = ()
    """Its numbers."""
    source: str = ""
    """The paper's figure that it follows."""


def training(setting: Setting) -> Iterator[Item]:
    """The accuracy on each split by epoch; the mean over seeds, with a band from the lowest to the highest."""
    lines = [line for name, label in SPLITS.items() if (line := curve(setting.runs, name, label)) is not None]
    if not lines or max(len(line.x) for line in lines) < 2:
        return
    seeds = len(setting.runs)
    of_seeds = f"Mean of {seeds} seeds, the band from the lowest to the highest." if seeds > 1 else "One seed."
    ends = ", ".join(f"{line.label} {line.y[-1]:.2f} %" for line in lines if line.y[-1] is not None)
    yield Item(
        f"training-{setting.key[:10]}",
        "Accuracy while it learns",
        f"{of_seeds} After epoch {lines[-1].x[-1]:g}: {ends}.",
        lambda: curves(lines, height=2.5),
    )


def curve(runs: Sequence[Stored], name: str, label: str) -> Curve | None:
    """Return an accuracy of the logs by epoch, in per cent, as far as all runs have it; None where none has."""
    by_run = []
    for run in runs:
        found = {int(record["epoch"]): number(record.get(name)) for record in run.log}
        there = {epoch: 100 * share for epoch, share in found.items() if share is not None}
        if there:
            by_run.append(there)
    epochs = sorted(set.intersection(*(set(one) for one in by_run))) if by_run else []
    if not epochs:
        return None
    values = [[one[epoch] for one in by_run] for epoch in epochs]
    means = [sum(some) / len(some) for some in values]
    if len(by_run) == 1:
        return Curve(label, epochs, means)
    return Curve(label, epochs, means, [min(some) for some in values], [max(some) for some in values])
