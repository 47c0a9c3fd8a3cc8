"""Single images: spikes through the layers, noise, and features of many in the plane."""

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from PIL import Image

from spikedistill.report.stored import number
from spikedistill.report.style import (
    INK,
    MUTED,
    PAPER,
    WIDTH,
    clean,
    colour,
    dashes,
    drawn,
    legend,
    new_figure,
    whole_ticks,
)

MOST_LAYERS, MOST_EVENTS, MOST_POINTS, MOST_PICTURES, MOST_PIXELS = 10, 3000, 400, 30, 256
"""What is drawn of more is spread evenly over all of them; pictures are so many pixels wide at most."""
CLASSES_SHOWN, ACROSS, FEW_STEPS, HIGH = 3, 4, 16, 0.55


@drawn
def raster(sample: Mapping[str, Any]) -> Figure:
    """Draw which neurons spike when, layer by layer, while one image is shown, and the probabilities of classes below.

    Args:
        sample: An entry `sample`: layers with spikes [t, i], t from 0, and probabilities[T][classes].
    """
    layers = _spread(sample["layers"], MOST_LAYERS)
    probabilities = np.array(sample["probabilities"], dtype=float)
    steps, width = len(probabilities), WIDTH
    figure = new_figure(width, 1.9 + (HIGH + 0.16) * len(layers))
    heights = [HIGH] * len(layers) + [1.2]
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, layer in zip(panels, layers, strict=False):
        events = _spread(layer["spikes"], MOST_EVENTS)
        if steps <= FEW_STEPS:  # a step is a broad column
            marks = [((t + 0.56, i), (t + 1.44, i)) for t, i in events]
            thick = 0.75 * 72 * HIGH / max(int(layer["shown"]), 1)
        else:
            marks = [((t + 1, i - 0.4), (t + 1, i + 0.4)) for t, i in events]
            thick = 1.6 if steps <= 48 else 0.8
        axes.add_patch(_strokes(marks, colour(0), thick))
        axes.set_ylim(int(layer["shown"]) - 0.5, -0.5)
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        of_all = (
            f"{layer['shown']} of {layer['neurons']:,}" if layer["shown"] < layer["neurons"] else f"{layer['neurons']}"
        )
        axes.set_title(f"{clean(layer['layer'], 30)}  ({of_all} neurons)", fontsize=8, pad=2, color=MUTED)
    below = panels[-1]
    best = sorted(range(probabilities.shape[1]), key=lambda one: -probabilities[:, one].max())
    chosen = list(dict.fromkeys([int(sample["label"]), *best[:CLASSES_SHOWN]]))
    handles = []
    for place, one in enumerate(chosen):
        (line,) = below.plot(
            range(1, steps + 1),
            100 * probabilities[:, one],
            color=colour(place),
            linestyle=dashes(place),
            drawstyle="default",
            marker="o" if steps <= 16 else "",
            markersize=3.5,
        )
        handles.append(line)
    below.set(xlabel="time step", ylim=(0, 102), xlim=(0.5, steps + 0.5))
    below.set_title("probability in %, mean of the outputs up to the step", fontsize=8, pad=2, color=MUTED)
    whole_ticks(below)
    picture = decoded(sample.get("picture"))
    if picture is not None:
        inset = below.inset_axes((1.02, 0.0, 0.2, 1.0))
        inset.imshow(picture, interpolation="none", cmap="gray")
        inset.set_axis_off()
    legend(below, handles, [f"class {one}{' (true)' if one == sample['label'] else ''}" for one in chosen], 4)
    return figure


@drawn
def features(panels: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Draw points of the plane (t-SNE of a layer's features) in a colour for each class, networks side by side.

    Distilling Spikes (papers/1), figures 4 and 5, and TSER (papers/4), figure 5.

    Args:
        panels: Points [x, y, class] by network.
    """
    figure = new_figure(WIDTH, 2.6 if len(panels) > 1 else 3.8)
    for axes, (label, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        array = np.array(_spread(points, MOST_POINTS), dtype=float)
        classes = np.unique(array[:, 2]).astype(int)
        dot = max(2e-3 * float(np.ptp(array[:, 0])), 1e-9)  # a line of no length is not drawn everywhere
        for place, one in enumerate(classes):
            own = array[array[:, 2] == one]
            axes.add_patch(_strokes([((x, y), (x + dot, y)) for x, y in own[:, :2]], colour(place), 3.2, "round"))
        if len(classes) <= 20:
            for one in classes:
                x, y = np.median(array[array[:, 2] == one, :2], axis=0)
                box = {"facecolor": PAPER, "alpha": 0.8, "pad": 1.0, "linewidth": 0}
                axes.text(x, y, str(one), ha="center", va="center", weight="bold", fontsize=9, color=INK, bbox=box)
        low, high = array[:, :2].min(axis=0), array[:, :2].max(axis=0)
        room = np.maximum(0.05 * (high - low), 1e-6)
        axes.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines[:].set_visible(True)
        axes.set_title(clean(label, 26))
    return figure


@drawn
def noise_samples(samples: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw images as networks see them under each noise, a row for each kind, by severity (KDSNN, papers/2, figure 2).

    Args:
        samples: Those of an entry `robustness`: name, severity, picture (PNG, base64).
    """
    pictures = [(one["name"], one["severity"], decoded(one["picture"])) for one in samples[:MOST_PICTURES]]
    there = [(name, severity, picture) for name, severity, picture in pictures if picture is not None]
    by_kind = {kind: [one for one in there if one[0] == kind] for kind in dict.fromkeys(name for name, _, _ in there)}
    rows = list(by_kind.values())
    if all(len(row) == 1 for row in rows):  # one of each kind: as many side by side as there is room for
        rows = [there[place : place + ACROSS] for place in range(0, len(there), ACROSS)]
    figure = new_figure(WIDTH, 0.2 + 1.1 * len(rows))
    panels = figure.subplots(len(rows), max(ACROSS, *map(len, rows)), squeeze=False)
    for axes_of_row, row in zip(panels, rows, strict=True):
        for axes in axes_of_row:
            axes.set_axis_off()
        for axes, (kind, severity, picture) in zip(axes_of_row, row, strict=False):
            axes.imshow(picture, interpolation="none", cmap="gray", vmin=0, vmax=255)
            number_of = f" {severity}" if severity else ""
            axes.set_title(f"{clean(kind, 16)}{number_of}", fontsize=7.5, pad=2)
    return figure


def decoded(text: Any) -> Any:
    """Return a small picture from base64 as an array; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)) as picture:
            if max(picture.size) > MOST_PIXELS:
                return None
            return np.asarray(picture.convert("L" if picture.mode in ("L", "1", "I", "I;16") else "RGB"))
    except (ValueError, OSError, binascii.Error, SyntaxError):
        return None


def _spread(values: Sequence[Any], most: int) -> Sequence[Any]:
    """Return at most so many of the values, evenly over all of them."""
    if len(values) <= most:
        return values
    return [values[place * len(values) // most] for place in range(most)]


def _strokes(pairs: Sequence[Any], colour: str, width: float, cap: Any = "butt") -> PathPatch:
    """Many short lines as one path: a page holds thousands of them, at a few bytes each."""
    points = np.array([point for pair in pairs for point in pair], dtype=float).reshape(-1, 2)
    path = Path(points, np.tile([Path.MOVETO, Path.LINETO], len(points) // 2).astype(np.uint8))
    path.should_simplify = False
    return PathPatch(path, edgecolor=colour, facecolor="none", linewidth=width, capstyle=cap)


def finite_points(points: Any) -> list[list[float]]:
    """Return the points [x, y, class] whose three numbers are finite."""
    found = [[number(value) for value in point] for point in points]
    return [[one for one in point if one is not None] for point in found if len(point) == 3 and None not in point]
