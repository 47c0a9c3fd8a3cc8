"""Accuracy under noise and attacks."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from spikedistill.report.stored import number
from spikedistill.report.style import WIDTH, clean, colour, dashes, drawn, legend, marker, new_figure, percent_limits

ACROSS = 3


@drawn
def corruptions(entries: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the accuracy by severity under each noise, a panel for each; severity 0 are the clean images.

    Args:
        entries: Entries `robustness` of evaluation.json, by network.
    """
    kinds = list(dict.fromkeys(one["name"] for entry in entries.values() for one in entry["corruptions"]))
    down = -(-len(kinds) // ACROSS)
    figure = new_figure(WIDTH, 0.7 + 1.35 * down)
    panels = figure.subplots(down, min(ACROSS, len(kinds)), sharex=True, sharey=True, squeeze=False)
    flat = list(panels.flat)
    every: list[float] = []
    handles: list[Any] = []
    for axes, kind in zip(flat, kinds, strict=False):
        handles = []
        for place, entry in enumerate(entries.values()):
            own = sorted(
                ((one["severity"], 100 * one["accuracy"]) for one in entry["corruptions"] if one["name"] == kind),
            )
            clean_one = number(entry.get("clean"))
            points = [*([] if clean_one is None else [(0, 100 * clean_one)]), *own]
            (line,) = axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                color=colour(place),
                marker=marker(place),
                markersize=3.5,
                linestyle=dashes(place // 2),
            )
            handles.append(line)
            every += [y for _, y in points]
        axes.set_title(clean(kind, 20), fontsize=8.5)
        axes.set_xticks(range(6))
        axes.set_ylim(*percent_limits(every))
    for axes in flat[len(kinds) :]:
        axes.set_axis_off()
    lowest = flat[len(kinds) - min(ACROSS, len(kinds)) : len(kinds)]
    for axes in lowest:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("severity")
    for axes in panels[:, 0]:
        axes.set_ylabel("accuracy in %")
    legend(figure.axes[0], handles, list(entries) if len(entries) > 1 else [])
    return figure


@drawn
def attacks(entries: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the accuracy against the size of an attack's step, for FGSM and PGD.

    Args:
        entries: Entries `robustness` of evaluation.json, by network; epsilon in units of the pixels' range.
    """
    figure = new_figure()
    axes = figure.add_subplot()
    handles, labels = [], []
    kinds = list(dict.fromkeys(one["name"] for entry in entries.values() for one in entry["attacks"]))
    for place, (network, entry) in enumerate(entries.items()):
        for style, kind in enumerate(kinds):
            own = sorted(
                (255 * one["epsilon"], 100 * one["accuracy"]) for one in entry["attacks"] if one["name"] == kind
            )
            clean_one = number(entry.get("clean"))
            points = [*([] if clean_one is None else [(0.0, 100 * clean_one)]), *own]
            series = style if len(entries) == 1 else place
            (line,) = axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                color=colour(series),
                linestyle=dashes(style),
                marker=marker(series),
            )
            handles.append(line)
            labels.append(kind if len(entries) == 1 else f"{clean(network, 26)}, {kind}")
    axes.set(xlabel="epsilon in 1/255 of the pixels' range", ylabel="accuracy in %", ylim=(0, 101))
    legend(axes, handles, labels)
    return figure
