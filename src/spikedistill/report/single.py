"""The figures of one setting: how it learned, and what was measured of its first seed that has been."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from spikedistill.report import figures
from spikedistill.report.figures import Curve, curves
from spikedistill.report.figures.samples import decoded, finite_points
from spikedistill.report.items import Item, Problem, as_key, guarded, problem_of
from spikedistill.report.settings import Setting, teacher_words
from spikedistill.report.stored import Stored, number
from spikedistill.report.words import counted, short_number

SPLITS = {"train_accuracy": "training", "validation_accuracy": "validation", "accuracy": "test"}
"""Accuracies of a log's records, by what they are called on the page."""
SEVERAL = {"sample": 4, "features": 3}
"""Of which so many entries are drawn: of several images, of several layers. Of others it is the run as it is."""
FEW_STEPS = 16
"""Of so many the accuracies stand in a table; of more they are a curve."""
Entry = Mapping[str, Any]


def items_of(setting: Setting, measures: bool = True) -> Iterator[Item | Problem]:
    """Yield the figures of a setting, that of its training first; without its `measures` how it learned alone."""
    yield from guarded("Accuracy while it learns", lambda: training(setting))
    yield from guarded("Accuracy by time step", lambda: many_steps(setting))
    for what, (title, make) in MEASURES.items():
        entries = setting.several(what)[: SEVERAL.get(what, 1)] if measures else []
        for entry in entries:
            if (problem := problem_of(entry)) is not None:
                yield Problem(title, problem)
                continue
            yield from guarded(title, lambda make=make, entry=entry: make(setting, entry))  # type: ignore[misc]


def _key(setting: Setting, name: str) -> str:
    return as_key(name, setting.key[:10])


def training(setting: Setting) -> Iterator[Item]:
    """The accuracy on each split by epoch; the mean over seeds, with a band from the lowest to the highest."""
    lines = [line for name, label in SPLITS.items() if (line := curve(setting.runs, name, label)) is not None]
    if not lines or max(len(line.x) for line in lines) < 2:
        return
    seeds = len(setting.runs)
    of_seeds = f"Mean of {seeds} seeds, the band from the lowest to the highest." if seeds > 1 else "One seed."
    ends = ", ".join(f"{line.label} {line.y[-1]:.2f} %" for line in lines if line.y[-1] is not None)
    said = f"{of_seeds} After epoch {lines[-1].x[-1]:g}: {ends}."
    yield Item(_key(setting, "training"), "Accuracy while it learns", said, curves(lines, height=2.5))


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


def many_steps(setting: Setting) -> Iterator[Item]:
    """The accuracy after each time step, and of that step's output alone, where there are many."""
    names = {"accuracy_cumulative": "up to this step", "accuracy_by_step": "this step alone"}
    by_name = {label: setting.by_step(name) for name, label in names.items()}
    if len(by_name["up to this step"]) <= FEW_STEPS:
        return
    lines = [Curve(label, range(1, len(found) + 1), [one.mean for one in found]) for label, found in by_name.items()]
    ends = ", ".join(f"{line.label} {line.y[-1]:.2f} %" for line in lines if line.y)
    said = f"Mean over {counted(len(setting.finished), 'seed')}. At the last step: {ends}."
    drawn = curves([line for line in lines if line.x], "time step", height=2.5)
    yield Item(_key(setting, "steps"), "Accuracy by time step", said, drawn)


def _rates(setting: Setting, entry: Entry) -> Iterator[Item]:
    layers = entry["firing_rates"]
    if not layers:
        return
    rates = [(one["layer"], one["neurons"], round(100 * one["rate"], 2)) for one in layers]
    most = max(rates, key=lambda one: one[2])
    said = f"{100 * entry['firing_rate']:.1f} % of the neurons fire in a step; most in {most[0]}, {most[2]:.1f} %."
    heads = ("layer", "neurons", "firing rate in %")
    yield Item(_key(setting, "rates"), "Firing rate by layer and step", said, figures.rates(layers), heads, rates)


def _sample(setting: Setting, entry: Entry) -> Iterator[Item]:
    if not entry["layers"]:  # of an ANN
        return
    steps, last = len(entry["probabilities"]), entry["probabilities"][-1]
    answer = max(range(len(last)), key=lambda one: float(last[one]))
    said = (
        f"Test image {entry['index']}, of class {entry['label']}: after {counted(steps, 'step')} the network says "
        f"{answer}, with {100 * last[answer]:.1f} %."
    )
    key = _key(setting, as_key("spikes", entry["index"], entry["split"]))
    yield Item(key, "Spikes of one image, layer by layer", said, figures.raster(entry))


def _calibration(setting: Setting, entry: Entry) -> Iterator[Item]:
    bins = entry["bins"]
    rows = [
        (f"{100 * one['low']:.0f} to {100 * one['high']:.0f}", one["images"], one["confidence"], one["accuracy"])
        for one in bins
        if one["images"]
    ]
    said = (
        f"Expected calibration error {100 * entry['ece']:.2f} %, Brier score {entry['brier']:.3f}, negative log "
        f"likelihood {entry['nll']:.3f}; {entry['images']:,} images."
    )
    heads = ("confidence in %", "images", "mean confidence", "accuracy")
    drawn = figures.reliability(bins)
    yield Item(_key(setting, "calibration"), "Calibration", said, drawn, heads, rows)


def _confusion(setting: Setting, entry: Entry) -> Iterator[Item]:
    matrix, shares = entry["matrix"], [number(one) for one in entry["per_class"]]
    wrong = [(matrix[t][a], t, a) for t in range(len(matrix)) for a in range(len(matrix)) if t != a and matrix[t][a]]
    often = sorted(wrong, key=lambda one: (-one[0], one[1:]))[:3]
    said = f"{entry['images']:,} images. " + (
        "Most often taken for another: " + ", ".join(f"{t} for {a} ({n})" for n, t, a in often) + "."
        if often
        else "None is taken for another class."
    )
    rows = [(place, sum(matrix[place]), None if one is None else 100 * one) for place, one in enumerate(shares)]
    heads = ("class", "images", "right, in %")
    drawn = figures.confusion(matrix)
    yield Item(_key(setting, "confusion"), "Confusion matrix", said, drawn, heads, rows)


def _features(setting: Setting, entry: Entry) -> Iterator[Item | Problem]:
    teacher = entry.get("teacher")
    why_not = problem_of(teacher)
    panels = {setting.label: finite_points(entry["points"])}
    if teacher is not None and why_not is None:
        panels[f"teacher {teacher_words(setting.recipe)}".strip()] = finite_points(teacher["points"])
    panels = {label: points for label, points in panels.items() if points}
    title = "Features in the plane (t-SNE)"
    if not panels:
        yield Problem(title, "No point is stored.")
        return
    said = f"{entry['layer']}, {entry['images']:,} images, perplexity {entry['perplexity']:g}."
    said += f" Of the teacher there is none: {why_not}" if why_not else ""
    source = "after Distilling Spikes, figures 4 and 5, and TSER, figure 5"
    yield Item(_key(setting, as_key("features", entry["layer"])), title, said, figures.features(panels), source=source)


def _anytime(setting: Setting, entry: Entry) -> Iterator[Item]:
    yield from anytime_items({setting.label: entry}, setting.key[:10])


def anytime_items(entries: Mapping[str, Entry], name: str) -> Iterator[Item]:
    """What networks reach by number of steps, and when they stop early; of one or of several."""
    by_steps = {label: one for label, one in entries.items() if one.get("by_steps")}
    if by_steps:
        rows = [
            (label, one["steps"], 100 * one["accuracy"], number(one.get("energy_mj")), number(one.get("latency_ms")))
            for label, entry in by_steps.items()
            for one in entry["by_steps"]
        ]
        heads = ("network", "steps", "accuracy in %", "energy in mJ", "latency in ms")
        ends = "; ".join(
            f"{label}: {100 * one['by_steps'][0]['accuracy']:.1f} % after {one['by_steps'][0]['steps']}, "
            f"{100 * one['by_steps'][-1]['accuracy']:.1f} % after {one['by_steps'][-1]['steps']} steps"
            for label, one in by_steps.items()
        )
        said = f"{ends}. Energy by the convention exact at 45 nm in fp32, latency of one image."
        yield Item(as_key("anytime", name), "Stopped after T steps", said, figures.anytime(by_steps), heads, rows)
    exits = {label: one for label, one in entries.items() if one.get("early_exit")}
    if exits:
        rows = [
            (label, one["threshold"], one["steps"], 100 * one["accuracy"], number(one.get("energy_mj")))
            for label, entry in exits.items()
            for one in entry["early_exit"]
        ]
        heads = ("network", "confidence", "mean steps", "accuracy in %", "energy in mJ")
        said = "A network stops at the first step at which its largest probability reaches the threshold."
        drawn = figures.early_exit(exits)
        yield Item(as_key("early-exit", name), "Stopped when confident", said, drawn, heads, rows)


def _robustness(setting: Setting, entry: Entry) -> Iterator[Item]:
    yield from robustness_items({setting.label: entry}, setting.key[:10])
    samples = [one for one in entry.get("samples") or () if decoded(one.get("picture")) is not None]
    if samples:
        kinds = ", ".join(dict.fromkeys(str(one["name"]) for one in samples))
        said = f"{kinds}; the number is the severity."
        source = "after KDSNN, figure 2"
        drawn = figures.noise_samples(samples)
        yield Item(_key(setting, "noise"), "What noise does to images", said, drawn, source=source)


def robustness_items(entries: Mapping[str, Entry], name: str) -> Iterator[Item]:
    """Accuracy under noise and attacks; of one network or of several."""
    noisy = {label: one for label, one in entries.items() if one.get("corruptions")}
    if noisy:
        rows = [
            (
                label,
                one["name"],
                one["severity"],
                f"{short_number(number(one.get('value')))} {one.get('unit', '')}",
                100 * one["accuracy"],
            )
            for label, entry in noisy.items()
            for one in entry["corruptions"]
        ]
        heads = ("network", "noise", "severity", "size", "accuracy in %")
        means = "; ".join(f"{label}: {_mean(one['corruptions']):.1f} %" for label, one in noisy.items())
        said = f"Mean over all noises and severities: {means}. Severity 0 are the images as they are."
        drawn = figures.corruptions(noisy)
        yield Item(as_key("corruptions", name), "Accuracy under noise", said, drawn, heads, rows)
    attacked = {label: one for label, one in entries.items() if one.get("attacks")}
    if attacked:
        rows = [
            (label, one["name"], round(255 * one["epsilon"], 3), one.get("iterations"), 100 * one["accuracy"])
            for label, entry in attacked.items()
            for one in entry["attacks"]
        ]
        heads = ("network", "attack", "epsilon x 255", "iterations", "accuracy in %")
        said = "Images are changed by at most epsilon in each pixel, along the gradient through the surrogate."
        yield Item(as_key("attacks", name), "Accuracy under attack", said, figures.attacks(attacked), heads, rows)


def _mean(values: Sequence[Entry]) -> float:
    return 100 * sum(float(one["accuracy"]) for one in values) / len(values)


MEASURES: dict[str, tuple[str, Callable[[Setting, Entry], Iterator[Item | Problem]]]] = {
    "energy": ("Firing rate by layer and step", _rates),
    "sample": ("Spikes of one image, layer by layer", _sample),
    "anytime": ("Accuracy, energy and latency by number of steps", _anytime),
    "calibration": ("Calibration", _calibration),
    "confusion": ("Confusion matrix", _confusion),
    "robustness": ("Robustness", _robustness),
    "features": ("Features in the plane (t-SNE)", _features),
}
"""The figures of an entry of evaluation.json, by what it is."""
