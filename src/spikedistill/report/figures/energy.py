"""Energy: against accuracy, by convention; firing rates by layer and step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from spikedistill.report.stored import number
from spikedistill.report.style import (
    INK,
    MUTED,
    WIDTH,
    clean,
    colour,
    dashes,
    drawn,
    energy_unit,
    heat,
    legend,
    marker,
    new_figure,
    percent_limits,
)

CONVENTIONS = ("exact", "syops", "neurobench")
MOST_COLUMNS = 64
"""Of a heat map; of longer ones several steps are one column, their mean."""


@dataclass(frozen=True)
class Point:
    """A network."""

    label: str
    group: str
    """What it shares colour and marker with: its method, say."""
    energy: float
    """Of an image, in mJ."""
    accuracy: float
    """In per cent."""
    deviation: float | None = None
    """Of the accuracy, over seeds."""


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other one beats in energy and accuracy, by energy."""
    front: list[Point] = []
    for point in sorted(points, key=lambda one: (one.energy, -one.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return front


@drawn
def pareto(points: Sequence[Point]) -> Figure:
    """Draw accuracy against energy, with the front of those that no other one beats; these are named.

    Args:
        points: Networks; energies above 0.
    """
    figure = new_figure(WIDTH, 3.3)
    axes = figure.add_subplot()
    factor, unit = energy_unit(sorted(one.energy for one in points)[len(points) // 2])
    points = [replace(one, energy=factor * one.energy) for one in points]
    front = pareto_front(points)
    axes.step(
        [one.energy for one in front],
        [one.accuracy for one in front],
        where="post",
        color=MUTED,
        linestyle=dashes(1),
        linewidth=1.1,
        zorder=1,
    )
    handles = []
    groups = list(dict.fromkeys(one.group for one in points))
    for place, group in enumerate(groups):
        own = [one for one in points if one.group == group]
        handles.append(
            axes.errorbar(
                [one.energy for one in own],
                [one.accuracy for one in own],
                [one.deviation or 0.0 for one in own],
                color=colour(place),
                marker=marker(place),
                linestyle="",
                elinewidth=1,
                markersize=6,
            )
        )
    energies = [one.energy for one in points]
    if max(energies) > 10 * min(energies):
        axes.set_xscale("log")
    axes.set(xlabel=f"energy of an image in {unit} (exact; 45 nm, fp32)", ylabel="accuracy in %")
    axes.set_ylim(*percent_limits([one.accuracy + s * (one.deviation or 0.0) for one in points for s in (-1, 1)]))
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    _name(axes, front, sorted(energies)[len(energies) // 2])
    legend(axes, handles, groups)
    return figure


def _name(axes: Axes, front: Sequence[Point], middle: float) -> None:
    """Name points of the front, from the most accurate down, where their names do not lie on each other."""
    named: list[tuple[float, float]] = []
    for one in reversed(front):
        x, y = axes.transData.transform((one.energy, one.accuracy))
        if any(abs(y - other) < 18 and abs(x - before) < 170 for before, other in named):
            continue
        named.append((x, y))
        left = one.energy > middle
        axes.annotate(
            clean(one.label, 24),
            (one.energy, one.accuracy),
            (-7 if left else 7, -10),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=8,
            color=INK,
        )


@drawn
def energy_bars(entries: Mapping[str, Mapping[str, Any]], technology: str = "45nm-fp32") -> Figure:
    """Draw the energy of an image by each convention, a group of bars for each network (papers/4, table 4).

    Args:
        entries: Entries `energy` of evaluation.json, or their teachers', by network.
        technology: Whose energies.
    """
    figure = new_figure(WIDTH, 1.1 + 0.42 * len(entries))
    axes = figure.add_subplot()
    shown = [name for name in CONVENTIONS if any(name in one["conventions"] for one in entries.values())]
    there = [value for one in entries.values() for name in shown if (value := _energy(one, name, technology)) > 0]
    factor, unit = energy_unit(max(there, default=1.0))
    tall = 0.78 / len(shown)
    handles = []
    for place, convention in enumerate(shown):
        values = [factor * _energy(one, convention, technology) for one in entries.values()]
        at = [row + tall * (place - (len(shown) - 1) / 2) for row in range(len(entries))]
        handles.append(axes.barh(at, values, 0.9 * tall, color=colour(place), linewidth=0))
    axes.set_yticks(range(len(entries)), [clean(label, 28) for label in entries])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    if there and max(there) > 30 * min(there):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    axes.set_xlabel(f"energy of an image in {unit} ({technology})")
    legend(axes, handles, shown, 3)
    return figure


def _energy(entry: Mapping[str, Any], convention: str, technology: str) -> float:
    return number(entry["conventions"].get(convention, {}).get("energy_mj", {}).get(technology)) or 0.0


@drawn
def rates(layers: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the firing rate of each layer at each time step as a heat map.

    Args:
        layers: `firing_rates` of an entry `energy`: layer, rate, and by_step with the share of neurons that fire.
    """
    steps = min(len(one["by_step"]) for one in layers)
    table = np.array([[number(value) or 0.0 for value in one["by_step"][:steps]] for one in layers])
    at_once = -(-steps // MOST_COLUMNS)
    if at_once > 1:
        table = np.stack(
            [part.mean(axis=1) for part in np.split(table, range(at_once, steps, at_once), axis=1)], axis=1
        )
    figure = new_figure(WIDTH, 0.95 + 0.26 * len(layers))
    axes = figure.add_subplot()
    most = max(float(table.max()), 1e-9)
    axes.imshow(
        heat(table / most),
        interpolation="none",
        aspect="auto",
        extent=(0.5, table.shape[1] * at_once + 0.5, len(layers) - 0.5, -0.5),
    )
    if table.shape[1] <= 10:
        for row, values in enumerate(table):
            for step, value in enumerate(values):
                axes.text(step + 1, row, f"{100 * value:.1f}", ha="center", va="center", fontsize=8)
    axes.set_yticks(range(len(layers)), [clean(one["layer"], 22) for one in layers])
    axes.set_xlabel(f"time step; at most {100 * most:.3g} % of the neurons fire")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    if table.shape[1] <= 16:
        axes.set_xticks(range(1, table.shape[1] + 1))
    return figure
