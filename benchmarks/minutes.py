"""Accuracy against minutes: the runs of `cifar10-minutes` or another table, and what steps cost on a quiet machine.

    python -m benchmarks minutes --rounds 3                 # seconds of a step, to results.csv
    spikedistill table cifar10-minutes --run --jobs 2       # the runs: they may share cores, their clocks are not read
    python -m benchmarks.minutes --runs runs                # table, targets, with --picture a plot
    python -m benchmarks.minutes --table mnist-minutes --runs runs

Minutes are steps x the time of a step with all cores; recipes that differ in nothing that a step notices share one
measurement (`Step`), and one machine's times are not mixed with another's. A teacher or start that a row trains is
counted whole, once where it is both; evaluation, compilation and reading of data are not. The time to a target is the
smallest budget whose median over seeds reaches it: each budget is a run of its own, with its schedule.

The opponent is SpikingJelly at its fastest with the recipe of `plain`. Its network gives our logits and gradients
(tests/benchmarks/test_contenders.py), so that the runs of `plain` stand for its accuracy after as many steps; its
minutes are those steps x the time of its own, the faster of `OPPONENTS`.
"""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from statistics import mean, median, stdev
from textwrap import fill
from typing import TYPE_CHECKING

from benchmarks.ratios import ratio
from benchmarks.rows import LADDERS, OPPONENTS_STEP
from benchmarks.tasks import RecipeStep
from spikedistill.neurons import IF
from spikedistill.optim import Cosine, Optimizer
from spikedistill.optim.phases import Settings
from spikedistill.recipe import UNNAMED, Recipe, everywhere, recipes_of
from spikedistill.recipes._files import load, load_table
from spikedistill.runs.cells import Cell, cells, look
from spikedistill.runs.rehearse import phase_starts, train_images
from spikedistill.starts import Calibrated, Weights
from spikedistill.table import Row
from spikedistill.training.plan import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).parents[1]
TABLE = "cifar10-minutes"
TARGETS = (80.0, 85.0, 88.0, 90.0)
"""Accuracies on the test images in per cent."""
OPPONENT = "spikingjelly"
OPPONENTS = ("spikingjelly-best-compile", "spikingjelly-best")
"""Contenders."""
PLAIN = "plain"
COLOURS = {
    PLAIN: "#6b7280",
    OPPONENT: "#b4503c",
    "distilled": "#0b6e99",
    "distilled and drawn": "#4b5fc4",
    "half": "#5a9e2f",
    "half and drawn": "#12664f",
}
"""Of rungs that are told apart by them; others are orange."""
FEWEST = 3
"""Seeds of what is drawn."""
WIDE, LINE = 60.0, 10.0
"""Of a name in the picture, in points."""


@dataclass(frozen=True)
class Point:
    """A row of the table: a rung in a budget."""

    rung: str
    budget: str
    own: float
    """Minutes of the student's steps."""
    others: float
    """Minutes of the steps of its teacher and start."""
    accuracies: tuple[float, ...]
    """In per cent, a seed each."""

    @property
    def minutes(self) -> float:
        """All of them."""
        return self.own + self.others

    @property
    def line(self) -> str:
        """For the table in Markdown."""
        spread = f" ± {stdev(self.accuracies):.2f}" if len(self.accuracies) > 1 else ""
        shown = (
            f"{mean(self.accuracies):.2f}{spread} | {median(self.accuracies):.2f} | {len(self.accuracies)}"
            if self.accuracies
            else "- | - | 0"
        )
        own, others, whole = (
            f"{one:.{1 if self.minutes >= 3 else 2}f}" for one in (self.own, self.others, self.minutes)
        )
        return f"| {self.budget} | `{self.rung}` | {own} | {others} | {whole} | {shown} |"


@dataclass(frozen=True)
class Step:
    """What the time of a training step depends on."""

    recipe: Recipe
    """Without what no step notices: how many there are, learning rates, the first weights and potentials."""
    settings: Settings


@cache
def step_of(recipe: Recipe, share: float) -> Step:
    """Return what a step costs when this share of the training is done."""
    return Step(everywhere(recipe, _as_steps_see_it), replace(recipe.settings(share), rate=1.0))


def _as_steps_see_it(recipe: Recipe) -> Recipe:
    once, neuron = (Weights, Calibrated), recipe.neuron
    return replace(
        recipe,
        neuron=replace(neuron, v_init=None) if isinstance(neuron, IF) else neuron,
        name=UNNAMED,
        seed=0,
        epochs=1,
        evaluate_every=1,
        reestimate=0,
        phases=(),
        batch_size=1,
        schedule=Cosine(),
        optimizer=_at_rate_one(recipe.optimizer),
        start=tuple(one for one in recipe.start if not isinstance(one, once)),
    )


def _at_rate_one(optimizer: Optimizer) -> Optimizer:
    rates = {"learning_rate", "filter_rate"} & {one.name for one in fields(optimizer)}
    return replace(optimizer, **dict.fromkeys(rates, 1.0))


@dataclass(frozen=True)
class Steps:
    """What steps take on a machine, in seconds."""

    of_recipes: Mapping[Step, float]
    of_opponent: float | None
    """None where the machine has not measured it."""
    machine: str

    def of(self, recipe: Recipe, share: float) -> float:
        """Return those of a recipe's step when this share of the training is done.

        Raises:
            SystemExit: no step like it has been measured.
        """
        found = self.of_recipes.get(step_of(recipe, share))
        if found is None:
            sys.exit(f"No row of benchmarks/rows.py measures a step of {recipe.name} at {share:g} of its training.")
        return found


def seconds_of_steps(path: Path, table: str = TABLE) -> Steps:
    """Return the seconds of a step of a ladder, each of its newest measurement on one machine, the first step's newest.

    A ladder's first step has its own; others that, times the median of their ratios to it, formed round by round.

    Raises:
        SystemExit: a row of the ladder has not been measured there.
    """
    ladder = LADDERS[table]
    with path.open(newline="") as file:
        measured = [line for line in csv.DictReader(file) if line["quick"] == "0" and line["ms"]]
    machine = next((_machine(line) for line in reversed(measured) if line["row"] == ladder[0].name), None)
    found = {(line["row"], line["contender"]): line for line in measured if _machine(line) == machine}
    theirs = [
        float(found[OPPONENTS_STEP.name, name]["ms"]) for name in OPPONENTS if (OPPONENTS_STEP.name, name) in found
    ]
    lacking = [row.name for row in ladder if (row.name, row.base) not in found]
    lacking += [OPPONENTS_STEP.name] if table == TABLE and not theirs else []
    if lacking:
        where = f" of {machine}" if machine else ""
        sys.exit(f"{path} has no {lacking[0]}{where}. Measure on a quiet machine: python -m benchmarks minutes")
    one = found[ladder[0].name, ladder[0].base]
    seconds = {}
    for row in ladder:
        compared = ratio(_rounds(found[row.name, row.base]), _rounds(one))
        assert isinstance(row.task, RecipeStep)
        assert compared is not None
        step = step_of(load(row.task.recipe), row.task.share)
        seconds[step] = float(one["ms"]) / 1000 * compared.median / row.task.drawn
    return Steps(seconds, min(theirs) / 1000 if theirs else None, f"{machine}, {one['date'][:10]}")


def _machine(line: Mapping[str, str]) -> str:
    return f"{line['cpu']}, {line['threads']} threads"


def _rounds(line: Mapping[str, str]) -> list[float]:
    return [float(milliseconds) for milliseconds in line["ms_rounds"].split()]


def minutes_of(recipe: Recipe, steps: Steps) -> float:
    """Return the minutes of the steps of one training, its teacher's and starts' not among them."""
    shares = phase_starts(recipe)
    images = recipe.epochs * Plan(recipe, train_images(recipe.data)).images
    parts = zip(shares, [*shares[1:], 1.0], strict=True)
    return sum(
        (end - begin) * images / recipe.settings(begin).batch_size * steps.of(recipe, begin) / 60
        for begin, end in parts
    )


def point(row: Row, own: Sequence[Cell], root: Path, steps: Steps) -> Point:
    """Return a row's minutes, and the accuracies of the runs that there are."""
    recipe, problem = row.recipe, next((cell.problem for cell in own if cell.problem), "")
    if recipe is None or problem:
        sys.exit(problem or f"{row.title} is quoted: it has no steps.")
    inner = {one.hash: one for part in recipe.parts for one in recipes_of(part)}
    found = [look(cell, root).metrics for cell in own]
    accuracies = tuple(100 * float(metrics["accuracy"]) for metrics in found if metrics is not None)
    others = sum(minutes_of(one, steps) for one in inner.values())
    return Point(row.label, row.group, minutes_of(recipe, steps), others, accuracies)


def opponent(points: Sequence[Point], steps: Steps) -> list[Point]:
    """Return what SpikingJelly needs for what runs of `plain` did."""
    assert steps.of_opponent is not None
    slower = steps.of_opponent / steps.of(load(f"{TABLE}-{PLAIN}"), 0.0)
    return [replace(one, rung=OPPONENT, own=one.own * slower) for one in points if one.rung == PLAIN]


def targets(points: Sequence[Point]) -> list[str]:
    """Return lines of Markdown: minutes to each target, by rung."""
    reached = [f"{target:g} %" for target in TARGETS]
    lines = [f"| minutes to | {' | '.join(reached)} |", f"|---|{'--:|' * len(TARGETS)}"]
    for rung in dict.fromkeys(one.rung for one in points if one.accuracies):
        own = [one for one in points if one.rung == rung and one.accuracies]
        shown = []
        for target in TARGETS:
            enough = [one.minutes for one in own if median(one.accuracies) >= target]
            shown.append(f"{min(enough):.1f}" if enough else "-")
        lines.append(f"| `{rung}` | {' | '.join(shown)} |")
    return lines


def draw(points: Sequence[Point], title: str, machine: str, target: Path) -> None:
    """Write the picture: a line for each rung with several budgets, its band over seeds; a dot for the others.

    What has fewer than `FEWEST` seeds is left out.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "spikedistill", "font.size": 11, "svg.fonttype": "none"}):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        shown = [one for one in points if len(one.accuracies) >= FEWEST]
        ends: list[tuple[float, float, str, str]] = []
        for rung in dict.fromkeys(one.rung for one in shown):
            own = sorted((one for one in shown if one.rung == rung), key=lambda one: one.minutes)
            at, medians = [one.minutes for one in own], [median(one.accuracies) for one in own]
            colour = COLOURS.get(rung, "#d9822b")
            if len(own) > 1:
                low, high = ([pick(one.accuracies) for one in own] for pick in (min, max))
                axes.fill_between(at, low, high, color=colour, alpha=0.2, linewidth=0)
                axes.plot(at, medians, color=colour, marker="o", markersize=5)
            else:
                axes.plot(at, medians, color=colour, marker="o", markersize=4, linestyle="none")
            ends.append((at[-1], medians[-1], rung, colour))
        axes.set(
            xlabel=f"minutes of training, teacher and start counted\n({machine})",
            ylabel="test accuracy in %, median and range",
        )
        axes.set_xlim(left=0)
        _name(axes, ends)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
        axes.set_title(fill(title, 62), loc="left", fontsize=11)
        figure.savefig(target, metadata={"Date": None})
    target.write_text("\n".join(line.rstrip() for line in target.read_text().splitlines()) + "\n")


def _name(axes: "Axes", ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write the names to the right of what ends together, from the top down, a line apart, a thread to each end."""
    placed = sorted((*axes.transData.transform(end[:2]) * 72 / axes.figure.dpi, end) for end in ends)
    columns: list[list[tuple[float, float, tuple[float, float, str, str]]]] = []
    for one in placed:
        if columns and one[0] - columns[-1][-1][0] < WIDE:
            columns[-1].append(one)
        else:
            columns.append([one])
    for column in columns:
        right = max(x for x, _, _ in column) + 12
        down = sorted(column, key=lambda one: -one[1])
        heights: list[float] = []
        for _, y, _ in down:
            heights.append(min([y, *(above - LINE for above in heights[-1:])]))
        up = mean(y for _, y, _ in down) - mean(heights)
        for (x, y, (minutes, accuracy, name, colour)), height in zip(down, heights, strict=True):
            thread = {
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            }
            axes.annotate(
                name,
                (minutes, accuracy),
                (right - x, height + up - y),
                textcoords="offset points",
                color=colour,
                fontsize=9,
                verticalalignment="center",
                arrowprops=thread,
            )


def main(words: Sequence[str] | None = None) -> None:
    """Print table and targets, draw the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.minutes", description=__doc__)
    parser.add_argument("--table", default=TABLE, choices=LADDERS, help="whose steps the group of its name measures")
    parser.add_argument("--runs", type=Path, default=ROOT / "results" / "minutes")
    parser.add_argument("--csv", type=Path, default=ROOT / "benchmarks" / "results.csv")
    parser.add_argument("--picture", type=Path, help="docs/minutes.svg, for the repository's own")
    options = parser.parse_args(words)
    steps = seconds_of_steps(options.csv, options.table)
    table = load_table(options.table)
    made = cells(table, table.rows, table.seeds, options.runs, device="cpu")
    by_row = [(row, [cell for cell in made if cell.row is row]) for row in table.rows]
    points = [point(row, own, options.runs, steps) for row, own in by_row]
    points += opponent(points, steps) if options.table == TABLE else []
    print(f"{steps.machine}\n\n| budget | rung | its steps | teacher and start | minutes | mean ± sd | median | n |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    print("\n".join(one.line for one in points), end="\n\n")
    if options.table == TABLE:
        print("\n".join(targets(points)))
    if options.picture:
        draw(points, table.title, steps.machine, options.picture)


if __name__ == "__main__":
    main()
