"""The figures of all settings together: the papers', and what none of them has; each where there is enough for it."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from spikedistill.recipe import Recipe
from spikedistill.report import figures
from spikedistill.report.contents import Contents
from spikedistill.report.figures import Curve, Point, virtual_teacher
from spikedistill.report.figures.energy import CONVENTIONS
from spikedistill.report.items import Item, Problem, as_key, guarded, problem_of
from spikedistill.report.settings import (
    Setting,
    data_words,
    distinct,
    families,
    method_words,
    recipe_of_teacher,
    setting_key,
    teacher_label,
    teacher_words,
)
from spikedistill.report.single import FEW_STEPS, anytime_items, curve, robustness_items
from spikedistill.report.stored import number
from spikedistill.report.style import energy_unit

MOST = 8
"""Networks of a figure: there are eight colours. Of more, the most accurate are drawn."""
Entry = Mapping[str, Any]


def items_of_all(contents: Contents) -> Iterator[Item | Problem]:
    """Yield the figures that compare settings, those of each data set together."""
    by_data: dict[str, list[Setting]] = {}
    for setting in contents.settings:
        by_data.setdefault(data_words(setting.recipe), []).append(setting)
    for data, own in sorted(by_data.items()):
        for title, make in PARTS.items():
            yield from guarded(f"{title}, {data}", lambda make=make, own=own, data=data: make(own, data))  # type: ignore[misc]


def best(settings: Sequence[Setting], most: int = MOST) -> list[Setting]:
    """Return the most accurate settings, in their own order."""
    ranked = sorted(settings, key=lambda one: -(one.accuracy.mean if one.accuracy else 0.0))[:most]
    return [one for one in settings if one in ranked]


def said_of(shown: Sequence[object], there: Sequence[object]) -> str:
    """Return how many of all are drawn, where some are not."""
    return "" if len(shown) == len(there) else f" The {len(shown)} most accurate of {len(there)} are drawn."


def _energies(settings: Sequence[Setting]) -> dict[str, tuple[Setting | None, Entry]]:
    """Return what was counted of networks and, once each, of their teachers, by name."""
    found: dict[str, tuple[Setting | None, Entry]] = {}
    for setting in settings:
        entry = setting.first("energy")
        if entry is None or problem_of(entry) is not None:
            continue
        found[setting.label] = (setting, entry)
    on_page = {setting.recipe.name for setting, _ in found.values() if setting}
    for student, counted in list(found.values()):
        teacher, name = counted.get("teacher"), teacher_words(student.recipe) if student else ""
        if teacher and problem_of(teacher) is None and name and name not in on_page:
            found.setdefault(f"{name} (teacher)", (None, teacher))
    return found


def _pareto(settings: Sequence[Setting], data: str) -> Iterator[Item]:
    points = []
    for setting in settings:
        energy = setting.mean_of(lambda run: run.entries("energy")[0]["conventions"]["exact"]["energy_mj"]["45nm-fp32"])
        if energy is not None and energy.mean > 0 and setting.accuracy is not None:
            group = method_words(setting.recipe) if setting.spiking else "ANN"
            accuracy = setting.accuracy
            points.append(Point(setting.label, group, energy.mean, accuracy.mean, accuracy.deviation))
    if len(points) < 2:
        return
    front = figures.pareto_front(points)
    rows = [(one.label, one.group, one.energy, one.accuracy, "yes" if one in front else "") for one in points]
    factor, unit = energy_unit(max(one.energy for one in points))
    said = "On the front, which no other network beats in both: " + "; ".join(
        f"{one.label} ({one.accuracy:.2f} %, {factor * one.energy:.3g} {unit})" for one in front[:6]
    )
    heads = ("network", "method", "energy in mJ", "accuracy in %", "on the front")
    title = f"Accuracy against energy, {data}"
    yield Item(as_key("pareto", data), title, f"{said}.", figures.pareto(points), heads, rows)


def _energy_table(settings: Sequence[Setting], data: str) -> Iterator[Item]:
    found = _energies(settings)
    if not found:
        return
    rows = []
    for label, (_, entry) in found.items():
        counted = entry["conventions"]
        exact, syops = counted["exact"], counted.get("syops", {})
        energies = [_mj(counted.get(name, {})) for name in CONVENTIONS]
        millions = [_millions(exact.get("acs")), _millions(exact.get("macs")), _millions(syops.get("dense"))]
        rate = number(entry.get("firing_rate"))
        rows.append((label, None if rate is None else 100 * rate, *millions, *energies))
    heads = (
        "network",
        "firing rate in %",
        "ACs in M",
        "MACs in M",
        "OPs in M (syops)",
        *(f"mJ, {one}" for one in CONVENTIONS),
    )
    some = dict(list(found.items())[:12])
    said = "An image's accumulates and multiply-accumulates at 45 nm in fp32, by three conventions of counting."
    said += (
        f" The first {len(some)} of {len(found)} are drawn; all are in the numbers." if len(some) < len(found) else ""
    )
    drawn = figures.energy_bars({label: entry for label, (_, entry) in some.items()})
    title, source = f"Energy of an image, {data}", "after TSER, table 4"
    yield Item(as_key("energy", data), title, said, drawn, heads, rows, source)


def _mj(counted: Entry) -> float | None:
    return number(counted.get("energy_mj", {}).get("45nm-fp32"))


def _millions(value: Any) -> float | None:
    found = number(value)
    return None if found is None else found / 1e6


def _teachers(settings: Sequence[Setting], data: str) -> Iterator[Item]:
    """Accuracy curves of one student under several teachers."""

    def teacher(recipe: Recipe) -> str | None:
        plain = recipe.teacher is not None and not hasattr(recipe.teacher, "ratio")
        return teacher_label(recipe.teacher) if plain and recipe.teacher is not None else None

    source = "after KDSNN, figure 3"
    for family in families(settings, teacher, ("teacher",)):
        names = distinct([name for name, _ in family])
        own = {f"from {name}": setting for name, (_, setting) in zip(names, family, strict=True)}
        yield from _learning(own, settings, f"One student, several teachers, {data}", "teachers", source)


def _prune_ratios(settings: Sequence[Setting], data: str) -> Iterator[Item]:
    """Accuracy curves by the teacher's prune ratio."""

    def ratio(recipe: Recipe) -> float | None:
        return number(getattr(recipe.teacher, "ratio", None))

    source = "after reverse KD, figure 2"
    for family in families(settings, ratio, ("teacher", "ratio")):
        own = {f"ratio {value:g}" if value else "ratio 0 (itself)": setting for value, setting in family}
        yield from _learning(own, settings, f"By the teacher's prune ratio, {data}", "prune-ratio", source)


def _learning(
    own: Mapping[str, Setting], settings: Sequence[Setting], title: str, key: str, source: str
) -> Iterator[Item]:
    """Curves of several settings, and of the same student without a teacher where it is there."""
    first = next(iter(own.values()))
    alone = next((one for one in settings if one.recipe.teacher is None and _student(one) == _student(first)), None)
    shown = dict(own) | ({"no teacher": alone} if alone is not None else {})
    kept = best(list(shown.values()))
    shown = {label: one for label, one in shown.items() if one in kept}
    lines = [line for label, one in shown.items() if (line := curve(one.runs, "accuracy", label)) is not None]
    if len(lines) < 2 or max(len(line.x) for line in lines) < 2:
        return
    rows = [(label, one.accuracy.mean, one.accuracy.count) for label, one in shown.items() if one.accuracy]
    said = "Last epoch: " + ", ".join(f"{label} {mean:.2f} %" for label, mean, _ in rows)
    heads = ("setting", "accuracy in %", "runs")
    named = as_key(key, first.key[:10])
    yield Item(named, title, f"{said}.", figures.curves(lines), heads, rows, source)


def _student(setting: Setting) -> tuple[object, ...]:
    recipe = setting.recipe
    return recipe.data, recipe.model, recipe.neuron, recipe.steps, recipe.epochs


@dataclass(frozen=True)
class Swept:
    """A parameter that a paper's figure varies."""

    title: str
    axis: str
    source: str
    logarithmic: bool = False


SWEPT = {
    ("distilling-spikes", "window"): Swept(
        "Length of the windows", "length of the windows", "Distilling Spikes, figure 3"
    ),
    ("tser", "entropy"): Swept("Lambda, the weight of the entropy", "lambda", "TSER, figure 3", True),
    ("tser", "temperature"): Swept("Tau, the temperature", "tau", "TSER, figure 4"),
}


def _sweeps(settings: Sequence[Setting], data: str) -> Iterator[Item]:
    """Accuracy against each number of a method that some settings differ in, and in nothing else."""
    names = {
        (method_words(one.recipe), part.name)
        for one in settings
        for part in fields(one.recipe.method)
        if number(getattr(one.recipe.method, part.name)) is not None
    }
    for method, name in sorted(names):
        own = [one for one in settings if method_words(one.recipe) == method]
        found = families(own, _value_of(name), ("method", name))
        made = [_swept_line(family) for family in found]
        labels = distinct([line.label for line in made])
        lines = [replace(line, label=label) for line, label in zip(made, labels, strict=True)]
        if not lines:
            continue
        known = SWEPT.get((method, name), Swept(f"{method}: {name}", f"{method}.{name}", ""))
        ends = [(line, max(range(len(line.x)), key=lambda place, line=line: line.y[place] or 0.0)) for line in lines]  # type: ignore[misc]
        said = "; ".join(f"{line.label}: best at {line.x[place]:g} with {line.y[place]:.2f} %" for line, place in ends)
        rows = [(line.label, x, y) for line in lines for x, y in zip(line.x, line.y, strict=True)]
        positive = all(x > 0 for line in lines for x in line.x)
        drawn = figures.sweep(lines[:MOST], known.axis, known.logarithmic and positive)
        heads = ("setting", known.axis, "accuracy in %")
        source = f"after {known.source}" if known.source else ""
        yield Item(
            as_key("sweep", method, name, data), f"{known.title}, {data}", f"{said}.", drawn, heads, rows, source
        )


def _value_of(name: str) -> Callable[[Recipe], float | None]:
    return lambda recipe: number(getattr(recipe.method, name, None))


def _swept_line(family: Sequence[tuple[float, Setting]]) -> Curve:
    means = [one.accuracy for _, one in family if one.accuracy]
    label = _in_common([one.recipe.name for _, one in family])
    low = [one.mean - (one.deviation or 0.0) for one in means]
    high = [one.mean + (one.deviation or 0.0) for one in means]
    return Curve(label or family[0][1].label, [x for x, _ in family], [one.mean for one in means], low, high)


def _in_common(names: Sequence[str]) -> str:
    """Return the words that all names begin with."""
    words = zip(*(re.split(r"[-+=]", name) for name in names), strict=False)
    return "-".join(alike[0] for alike in itertools.takewhile(lambda some: len(set(some)) == 1, words))


def _steps(settings: Sequence[Setting], data: str) -> Iterator[Item]:
    """Accuracy of each step's output alone, of networks that are alike but for their method."""
    groups: dict[tuple[object, ...], list[Setting]] = {}
    for setting in settings:
        if setting.spiking and 1 < setting.recipe.time_steps <= FEW_STEPS and setting.by_step("accuracy_by_step"):
            groups.setdefault((setting.recipe.model, setting.recipe.time_steps), []).append(setting)
    for place, own in enumerate(one for one in groups.values() if len(one) > 1):
        shown = best(own, 6)
        names = distinct([one.label for one in shown])
        steps = [[step.mean for step in one.by_step("accuracy_by_step")] for one in shown]
        bars = dict(zip(names, steps, strict=True))
        teacher = _teacher_accuracy(shown, settings)
        spreads = [f"{label} {max(some) - min(some):.2f}" for label, some in bars.items()]
        said = f"Difference between the best and the worst step, in points: {', '.join(spreads)}."
        said += "" if teacher is None else f" The teacher has {teacher:.2f} %."
        heads = ("network", *(f"step {step}" for step in range(1, max(map(len, bars.values())) + 1)))
        rows = [(label, *some) for label, some in bars.items()]
        title, source = f"Accuracy of each time step alone, {data}", "after TSER, figure 2"
        drawn = figures.step_bars(bars, teacher)
        key = as_key("steps", data, place) if place else as_key("steps", data)
        yield Item(key, title, said + said_of(shown, own), drawn, heads, rows, source)


def _teacher_accuracy(taught: Sequence[Setting], settings: Sequence[Setting]) -> float | None:
    """Return the accuracy of the teacher that all have, in per cent; None where they differ, or it is not known."""
    recipes = [recipe_of_teacher(one.recipe.teacher) for one in taught if one.recipe.teacher is not None]
    keys = {None if one is None else setting_key(one) for one in recipes}
    if len(keys) != 1 or None in keys:
        return None
    own = next((one for one in settings if one.key in keys), None)
    if own is not None and own.accuracy is not None:
        return own.accuracy.mean
    for setting in taught:
        share = number(((setting.first("agreement") or {}).get("teacher") or {}).get("accuracy"))
        if share is not None:
            return 100 * share
    return None


def _measured(settings: Sequence[Setting], what: str) -> dict[str, Entry]:
    there = [one for one in settings if (entry := one.first(what)) is not None and problem_of(entry) is None]
    shown = best(there)
    entries = [one.first(what) or {} for one in shown]
    return dict(zip(distinct([one.label for one in shown]), entries, strict=True))


def _anytime(settings: Sequence[Setting], data: str) -> Iterator[Item]:
    entries = _measured(settings, "anytime")
    if len(entries) > 1:
        yield from (replace(one, title=f"{one.title}, {data}") for one in anytime_items(entries, data))


def _robustness(settings: Sequence[Setting], data: str) -> Iterator[Item]:
    entries = _measured(settings, "robustness")
    if len(entries) > 1:
        yield from (replace(one, title=f"{one.title}, {data}") for one in robustness_items(entries, data))


def _outputs(settings: Sequence[Setting], data: str) -> Iterator[Item]:
    """What a teacher, a pruned one and the virtual one say of the images of one class."""
    tables: dict[str, Sequence[Sequence[float]]] = {}
    measured = [one for one in settings if (entry := one.first("outputs")) is not None and problem_of(entry) is None]
    for setting in best(measured, 3):
        label, entry = setting.label, setting.first("outputs") or {}
        teacher = entry.get("teacher")
        if teacher is not None and problem_of(teacher) is None:
            name = teacher_words(setting.recipe) or str(teacher.get("name", ""))
            tables.setdefault(f"{name} (teacher)", teacher["by_class"])
        tables[label] = entry["by_class"]
    classes = min((len(table) for table in tables.values()), default=0)
    known = [one for one in range(classes) if all(table[one] for table in tables.values())]
    if not known:
        return
    first = next(iter(tables.values()))
    true = min(known, key=lambda one: float(first[one][one]))
    shown = {label: [float(one) for one in table[true]] for label, table in tables.items()}
    made = next((one.recipe.method for one in settings if method_words(one.recipe) == "default-kd"), None)
    sure = number(getattr(made, "correct_prob", None))
    if sure is not None:
        shown["virtual teacher"] = virtual_teacher(classes, true, sure)
    rows = [(place, *(100 * values[place] for values in shown.values())) for place in range(classes)]
    rights = ", ".join(f"{label} {100 * values[true]:.1f} %" for label, values in shown.items())
    said = f"Mean probabilities on the images of class {true}, of which the first is the least sure. On it: {rights}."
    title, source = f"What networks answer, {data}", "after reverse KD, figure 3"
    drawn = figures.output_distributions(shown, true)
    yield Item(as_key("outputs", data), title, said, drawn, ("class", *shown), rows, source)


PARTS: dict[str, Callable[[Sequence[Setting], str], Iterator[Item]]] = {
    "Accuracy against energy": _pareto,
    "Accuracy of each time step alone": _steps,
    "One student, several teachers": _teachers,
    "By the teacher's prune ratio": _prune_ratios,
    "Hyper-parameters": _sweeps,
    "Stopped early": _anytime,
    "Energy": _energy_table,
    "Robustness": _robustness,
    "What networks answer": _outputs,
}
"""The figures of the settings of one data set."""
