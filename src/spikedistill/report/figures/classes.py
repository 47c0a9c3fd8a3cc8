"""What a network says of classes: calibration, confusion, distributions of its answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spikedistill.report.stored import number
from spikedistill.report.style import INK, MUTED, WIDTH, colour, dashes, drawn, heat, legend, new_figure

MOST_BARS = 20
"""Classes of a distribution; of more those that are the most probable."""
MOST_COUNTS = 12
"""Classes of a matrix that has its counts written in it."""


@drawn
def reliability(bins: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the accuracy of answers by their confidence, which are equal where a network is calibrated, and how many.

    Args:
        bins: Those of an entry `calibration`: low, high, images, confidence, accuracy.
    """
    figure = new_figure(WIDTH, 3.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    (even,) = upper.plot([0, 100], [0, 100], color=MUTED, linestyle=dashes(1), linewidth=1.1)
    there = [one for one in bins if number(one["accuracy"]) is not None]
    middles = [50 * (one["low"] + one["high"]) for one in there]
    wide = [92 * (one["high"] - one["low"]) for one in there]
    bars = upper.bar(middles, [100 * one["accuracy"] for one in there], wide, color=colour(0), linewidth=0)
    confident = [100 * (number(one["confidence"]) or 0.0) for one in there]
    (mean,) = upper.plot(confident, confident, color=colour(1), marker="D", linestyle="", markersize=4)
    upper.set(ylabel="accuracy in %", xlim=(0, 100), ylim=(0, 101))
    total = sum(one["images"] for one in bins) or 1
    shares = [100 * one["images"] / total for one in bins]
    places = [50 * (one["low"] + one["high"]) for one in bins]
    lower.bar(places, shares, [92 * (one["high"] - one["low"]) for one in bins], color=colour(7), linewidth=0)
    lower.set(xlabel="confidence in %", ylabel="images in %")
    legend(upper, [bars, mean, even], ["accuracy", "mean confidence", "calibrated"], 3)
    return figure


@drawn
def confusion(matrix: Sequence[Sequence[int]], names: Sequence[str] = ()) -> Figure:
    """Draw how often images of each class are taken for each; shares of a row's images are the darker, the larger.

    Args:
        matrix: Counts, [true][answered].
        names: Of the classes; their numbers where there are none.
    """
    counts = np.array(matrix, dtype=float)
    classes = len(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(WIDTH, WIDTH * 0.9)
    axes = figure.add_subplot()
    axes.imshow(heat(shares), interpolation="none", aspect="equal")
    if classes <= MOST_COUNTS:
        labels = [str(name)[:12] for name in names] or [str(place) for place in range(classes)]
        axes.set_xticks(range(classes), labels, rotation=45 if max(map(len, labels)) > 2 else 0)
        axes.set_yticks(range(classes), labels)
        for row in range(classes):
            for column in range(classes):
                if counts[row, column]:
                    weight = "bold" if row == column else "normal"
                    axes.text(
                        column, row, f"{counts[row, column]:.0f}", ha="center", va="center", fontsize=8, weight=weight
                    )
    axes.set(xlabel="answered", ylabel="true class")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


@drawn
def output_distributions(networks: Mapping[str, Sequence[float]], true: int) -> Figure:
    """Draw the mean probabilities that networks give to each class on images of one class.

    Reverse KD (papers/3), figure 3: the teacher, its pruned version and the virtual teacher.

    Args:
        networks: Probabilities by network, one for each class.
        true: The images' class.
    """
    classes = len(next(iter(networks.values())))
    order = list(range(classes))
    if classes > MOST_BARS:
        largest = sorted(order, key=lambda one: -max(values[one] for values in networks.values()))
        order = sorted({true, *largest[: MOST_BARS - 1]})
    figure = new_figure()
    axes = figure.add_subplot()
    wide = 0.82 / len(networks)
    handles = []
    for place, values in enumerate(networks.values()):
        at = [row + wide * (place - (len(networks) - 1) / 2) for row in range(len(order))]
        heights = [100 * values[one] for one in order]
        handles.append(axes.bar(at, heights, 0.92 * wide, color=colour(place), linewidth=0))
    axes.set_xticks(range(len(order)), [str(one) for one in order])
    for tick in axes.get_xticklabels():
        if tick.get_text() == str(true):
            tick.set_color(INK)
            tick.set_fontweight("bold")
    axes.set(xlabel=f"class (the images are of class {true})", ylabel="probability in %, log scale", yscale="log")
    axes.set_ylim(bottom=max(axes.get_ylim()[0], 1e-3), top=130)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda *_: "")
    legend(axes, handles, list(networks))
    return figure


def virtual_teacher(classes: int, true: int, correct_prob: float) -> list[float]:
    """Return the answer of reverse KD's virtual teacher (papers/3, Eq. 6): the rest is even over the other classes."""
    return [correct_prob if one == true else (1 - correct_prob) / (classes - 1) for one in range(classes)]
