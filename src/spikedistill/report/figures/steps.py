"""Accuracy, energy and latency against the number of time steps."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikedistill.report.stored import number
from spikedistill.report.style import (
    HEIGHT,
    INK,
    MUTED,
    WIDTH,
    clean,
    colour,
    dashes,
    drawn,
    energy_unit,
    legend,
    marker,
    new_figure,
    percent_limits,
    whole_ticks,
)

ANYTIME = {"accuracy": "accuracy in %", "energy_mj": "energy in mJ", "latency_ms": "latency in ms"}
"""What an entry `anytime` has by number of steps."""


@drawn
def step_bars(accuracies: Mapping[str, Sequence[float]], teacher: float | None = None) -> Figure:
    """Draw the accuracy of each time step's output alone, side by side, with the teacher's line.

    TSER (papers/4), figure 2.

    Args:
        accuracies: In per cent, by network; one for each step.
        teacher: Accuracy of the teacher in per cent, if it is known.
    """
    figure = new_figure()
    axes = figure.add_subplot()
    wide = 0.8 / len(accuracies)
    handles: list[Any] = []
    for place, values in enumerate(accuracies.values()):
        at = [step + 1 + wide * (place - (len(accuracies) - 1) / 2) for step in range(len(values))]
        handles.append(axes.bar(at, values, 0.92 * wide, color=colour(place), linewidth=0))
    labels = list(accuracies)
    if teacher is not None:
        handles.append(axes.axhline(teacher, color=INK, linestyle=dashes(1), linewidth=1.2))
        labels.append("teacher")
    every = [value for values in accuracies.values() for value in values]
    low, high = percent_limits([*every, *([] if teacher is None else [teacher])])
    axes.set(xlabel="time step", ylabel="accuracy in %", ylim=(low, high))
    axes.set_xticks(range(1, max(map(len, accuracies.values())) + 1))
    legend(axes, handles, labels)
    return figure


@drawn
def anytime(entries: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw accuracy, energy and latency of networks that are stopped after T steps, above each other.

    Args:
        entries: Entries `anytime` of evaluation.json, by network. What none of them has is left out.
    """
    kept = {
        name: label
        for name, label in ANYTIME.items()
        if any(number(one.get(name)) is not None for entry in entries.values() for one in entry["by_steps"])
    }
    factor, unit = energy_unit(max((v for e in entries.values() for v in _values(e, "energy_mj")), default=1.0))
    factors = {"accuracy": 100.0, "energy_mj": factor}
    kept |= {"energy_mj": f"energy of an image in {unit}"} if "energy_mj" in kept else {}
    figure = new_figure(WIDTH, 1.0 + 1.35 * len(kept))
    panels = figure.subplots(len(kept), 1, sharex=True, squeeze=False)[:, 0]
    handles: list[Any] = []
    for axes, (name, label) in zip(panels, kept.items(), strict=True):
        handles = []
        for place, entry in enumerate(entries.values()):
            steps = [one["steps"] for one in entry["by_steps"]]
            factor = factors.get(name, 1.0)
            values = [number(one.get(name)) for one in entry["by_steps"]]
            heights = [nan if value is None else factor * value for value in values]
            (line,) = axes.plot(
                steps, heights, color=colour(place), marker=marker(place), linestyle=dashes(place // 2), markersize=4
            )
            handles.append(line)
        axes.set_title(label, color=MUTED)
        if name == "accuracy":
            axes.set_ylim(*percent_limits([100 * v for e in entries.values() for v in _values(e, name)]))
        else:
            axes.set_ylim(bottom=0)
    panels[-1].set_xlabel("time steps T")
    whole_ticks(panels[-1])
    legend(panels[-1], handles, list(entries) if len(entries) > 1 else [])
    return figure


def _values(entry: Mapping[str, Any], name: str) -> list[float]:
    values = [number(one.get(name)) for one in entry["by_steps"]]
    return [value for value in values if value is not None]


@drawn
def early_exit(entries: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw accuracy against the mean number of steps, where a network stops once it is confident enough.

    Args:
        entries: Entries `anytime` of evaluation.json, by network; a point for each threshold of `early_exit`.
    """
    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    handles = []
    for place, entry in enumerate(entries.values()):
        exits = sorted(entry["early_exit"], key=lambda one: float(one["steps"]))
        steps, right = [one["steps"] for one in exits], [100 * one["accuracy"] for one in exits]
        (line,) = axes.plot(steps, right, color=colour(place), marker=marker(place), linestyle=dashes(place // 2))
        handles.append(line)
        axes.margins(x=0.06, y=0.15)
        if len(entries) == 1:
            _thresholds(axes, exits)
    said = " (beside points: the confidence to stop at)" if len(entries) == 1 else ""
    axes.set(xlabel=f"mean number of time steps{said}", ylabel="accuracy in %")
    legend(axes, handles, [clean(name) for name in entries] if len(entries) > 1 else [])
    return figure


def _thresholds(axes: Axes, exits: Sequence[Mapping[str, Any]]) -> None:
    """Write thresholds at points that are far enough from each other, from the largest down."""
    last: float | None = None
    for one in reversed(exits):
        at = one["steps"], 100 * one["accuracy"]
        x, _ = axes.transData.transform(at)
        if last is not None and abs(x - last) < 40:
            continue
        last = float(x)
        text = f"{one['threshold']:g}"
        axes.annotate(text, at, (0, 6), textcoords="offset points", ha="center", color=MUTED, fontsize=8)
