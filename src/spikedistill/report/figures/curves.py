"""Accuracy while networks learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from matplotlib.figure import Figure

from spikedistill.report.style import (
    HEIGHT,
    WIDTH,
    clean,
    colour,
    dashes,
    drawn,
    legend,
    marker,
    new_figure,
    percent_limits,
    whole_ticks,
)


@dataclass(frozen=True)
class Curve:
    """A line, with a band around it where it is a mean."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    """None where there is no number: the line has a gap."""
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


@drawn
def curves(lines: Sequence[Curve], x: str = "epoch", y: str = "accuracy in %", height: float = HEIGHT) -> Figure:
    """Draw accuracies against epochs: one network's on its splits, several settings', or those of several teachers.

    Args:
        lines: With values in per cent.
        x: Name of the horizontal axis.
        y: Name of the vertical one.
        height: In inches.
    """
    figure = new_figure(WIDTH, height)
    axes = figure.add_subplot()
    handles, every = [], []
    for place, line in enumerate(lines):
        values = [nan if value is None else value for value in line.y]
        few = len(line.x) <= 12
        (handle,) = axes.plot(
            line.x,
            values,
            color=colour(place),
            linestyle=dashes(place // 2),
            marker=marker(place) if few else "",
            markersize=4,
        )
        handles.append(handle)
        every += list(line.y)
        if line.low and line.high:
            low, high = ([nan if value is None else value for value in band] for band in (line.low, line.high))
            axes.fill_between(line.x, low, high, color=colour(place), alpha=0.16, linewidth=0)
            every += [*line.low, *line.high]
    axes.set(xlabel=clean(x), ylabel=clean(y))
    if y.endswith("%"):
        axes.set_ylim(*percent_limits(every))
    whole_ticks(axes)
    legend(axes, handles, [line.label for line in lines] if len(lines) > 1 else [], 3 if height < HEIGHT else 2)
    return figure


@drawn
def sweep(lines: Sequence[Curve], x: str, logarithmic: bool = False) -> Figure:
    """Draw accuracies against a hyper-parameter, each value with its deviation over seeds.

    Distilling Spikes' figure 3 (length of the windows), TSER's figures 3 and 4 (lambda, temperature).

    Args:
        lines: In per cent; `low` and `high` are the mean less and plus the deviation.
        x: The parameter.
        logarithmic: Whether its axis is.
    """
    figure = new_figure()
    axes = figure.add_subplot()
    handles: list[Any] = []
    every: list[float | None] = []
    for place, line in enumerate(lines):
        values = [nan if value is None else value for value in line.y]
        bars = [[(y or 0) - (b or 0) for y, b in zip(line.y, line.low, strict=True)]] if line.low else None
        handles.append(
            axes.errorbar(
                line.x,
                values,
                bars[0] if bars else None,
                color=colour(place),
                marker=marker(place),
                linestyle=dashes(place // 2),
                capsize=2.5,
                elinewidth=1,
            )
        )
        every += [*line.y, *line.low, *line.high]
    axes.set(xlabel=clean(x), ylabel="accuracy in %", ylim=percent_limits(every))
    if logarithmic:
        axes.set_xscale("log")
    ticks = sorted({value for line in lines for value in line.x})
    if len(ticks) <= 8:
        axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
        axes.set_xticks([], minor=True)
    legend(axes, handles, [line.label for line in lines] if len(lines) > 1 else [])
    return figure
