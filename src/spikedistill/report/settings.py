"""Settings: runs that differ in their seeds alone, their means, and what tells them apart in a few words."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from spikedistill.recipe import Part, Recipe, Teacher, recipes_in
from spikedistill.report.stored import Stored, number, numbers_in
from spikedistill.runs.cells import Numbers, numbers
from spikedistill.runs.describe import in_words, short
from spikedistill.table import with_seed
from spikedistill.values.kinds import command_name
from spikedistill.values.plain import UNUSED, digest, to_json

Value = TypeVar("Value")
LONGEST_LABEL = 40
TRAINING_ALONE = ("augment", "train_size", "validation")
"""Fields of data that leave the test images as they are."""


@dataclass(frozen=True)
class Setting:
    """Runs of one recipe with several seeds."""

    key: str
    """Digest of the recipe without its seeds."""
    label: str
    """The recipe's name, and where two settings share it the key's first digits."""
    runs: tuple[Stored, ...]
    """In the order of their seeds."""

    @cached_property
    def plain(self) -> str:
        """The recipe but for its seeds, as JSON: what is compared."""
        seedless = with_seed(self.recipe, 0, tied=True)
        return json.dumps(to_json(seedless, leave_out=("place", "label", UNUSED)), sort_keys=True)

    @property
    def recipe(self) -> Recipe:
        """That of the first seed."""
        return self.runs[0].recipe

    @property
    def finished(self) -> tuple[Stored, ...]:
        """Those that have an accuracy."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def accuracy(self) -> Numbers | None:
        """Last epoch, in per cent."""
        return self.percent("accuracy")

    @property
    def spiking(self) -> bool:
        """Whether it is an SNN."""
        return self.recipe.model.spikes(self.recipe.neuron)

    def percent(self, name: str) -> Numbers | None:
        """Return mean and deviation of a share that metrics.json has, in per cent; None where none has it."""
        shares = [number(run.metrics.get(name)) for run in self.finished]
        return numbers(100 * share for share in shares if share is not None)

    def by_step(self, name: str) -> list[Numbers]:
        """Return mean and deviation at each time step, in per cent; nothing where they are not there for all steps."""
        lists = [numbers_in(run.metrics.get(name)) for run in self.finished]
        whole = [[100 * share for share in one if share is not None] for one in lists if one and None not in one]
        steps = min(map(len, whole), default=0)
        found = [numbers(one[step] for one in whole) for step in range(steps)]
        return [one for one in found if one is not None]

    def mean_of(self, pick: Callable[[Stored], Any]) -> Numbers | None:
        """Return mean and deviation of what `pick` finds in runs; what is no number, or not there, is left out."""
        found = []
        for run in self.runs:
            try:
                value = number(pick(run))
            except (KeyError, TypeError, IndexError, AttributeError):
                continue
            if value is not None:
                found.append(value)
        return numbers(found)

    def first(self, what: str) -> dict[str, Any] | None:
        """Return the entry of this name of the first run that has one."""
        return next(iter(self.several(what)), None)

    def several(self, what: str) -> list[dict[str, Any]]:
        """Return all entries of this name of the first run that has one: of several images, say, or layers."""
        return next((entries for run in self.runs if (entries := run.entries(what))), [])


def settings_of(runs: Iterable[Stored]) -> list[Setting]:
    """Return runs grouped by what they share beside their seeds, in the order of the first run of each."""
    grouped: dict[str, list[Stored]] = {}
    for run in runs:
        grouped.setdefault(setting_key(run.recipe), []).append(run)
    names = [group[0].recipe.name for group in grouped.values()]
    return [
        Setting(
            key,
            shortened(group[0].recipe.name) + (f" {key[:6]}" if names.count(group[0].recipe.name) > 1 else ""),
            tuple(sorted(group, key=lambda run: run.recipe.seed)),
        )
        for key, group in grouped.items()
    ]


def setting_key(recipe: Recipe) -> str:
    """Return what runs have in common that differ in their seeds alone."""
    return digest(with_seed(recipe, 0, tied=True))


def shortened(text: str, longest: int = LONGEST_LABEL) -> str:
    """Return a text with its middle left out where it is long: names of one family differ at their ends."""
    if len(text) <= longest:
        return text
    tail = longest // 2
    return f"{text[: longest - tail - 1]}…{text[-tail:]}"


def data_words(recipe: Recipe) -> str:
    """Return which test images a network is asked about: `mnist`, `noisy-mnist (variation background)`.

    Two settings with the same words can be compared; how many images they learned from may differ.
    """
    data = recipe.data
    plain = to_json(data, leave_out=("place", "label", UNUSED))
    defaults = {part.name: part.default for part in fields(data)}
    said = [Path(path).name for name in ("path",) if isinstance(path := getattr(data, name, None), str) and path]
    said += [
        f"{name} {value}"
        for name, value in plain.items()
        if isinstance(value, str | int | float)
        and name not in (*TRAINING_ALONE, "kind")
        and value != defaults.get(name)
    ]
    facts = getattr(data, "facts", None)
    if facts is not None and (hasattr(data, "path") or not type(data).__module__.startswith("spikedistill.")):
        said.append(str(facts.test_digest)[:4])  # files of one's own can have one name and other images
    return data.name + (f" ({', '.join(said)})" if said else "")


def model_words(recipe: Recipe) -> str:
    """Return the network in a few words: `convnet(channels=(8, 16))`."""
    return short(recipe.model)


def model_kind(recipe: Recipe) -> str:
    """Return the network's kind: `convnet`."""
    return command_name(type(recipe.model))


def neuron_words(recipe: Recipe) -> str:
    """Return neuron and T, or that it is an ANN."""
    if not recipe.model.spikes(recipe.neuron):
        return "ANN" if recipe.time_steps == 1 else f"ANN, T = {recipe.time_steps}"
    neuron = "" if "neuron" in recipe.unused else f"{command_name(type(recipe.neuron))}, "
    return f"{neuron}T = {recipe.time_steps}"


def method_words(recipe: Recipe) -> str:
    """Return the method's name."""
    return recipe.method.name


def teacher_words(recipe: Recipe) -> str:
    """Return what the teacher is: the name of its recipe, or its kind and place; empty where there is none."""
    return "" if recipe.teacher is None else teacher_label(recipe.teacher)


def teacher_label(teacher: Teacher) -> str:
    """Return a teacher's recipe by name, with the ratio where it is pruned."""
    names = [inner.name for inner in recipes_in(teacher)]
    ratio = getattr(teacher, "ratio", None)
    pruned = "" if ratio is None else f", {100 * ratio:g} % pruned"
    return (", ".join(names) or in_words(teacher)) + pruned


def families(
    settings: Sequence[Setting], value: Callable[[Recipe], Value | None], path: Sequence[str]
) -> list[list[tuple[Value, Setting]]]:
    """Return settings that differ in one thing alone, and in that: two values of it at least, in order.

    Args:
        settings: All of them; those without an accuracy are left out.
        value: What may differ; None where a recipe has no such thing.
        path: Where it stands in a recipe's JSON: `("method", "alpha")`.
    """
    found: dict[str, dict[Value, Setting]] = {}
    for setting in settings:
        own = value(setting.recipe)
        if own is not None and setting.accuracy is not None:
            found.setdefault(_but_for(setting, path), {}).setdefault(own, setting)
    return [sorted(one.items(), key=lambda pair: pair[0]) for one in found.values() if len(one) > 1]  # type: ignore[arg-type,return-value]


def _but_for(setting: Setting, path: Sequence[str]) -> str:
    """Return what a recipe says, but for its seeds and one thing; not a recipe, which could refuse another value."""
    plain = json.loads(setting.plain)
    inner = plain
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = None
    return json.dumps(plain)


def distinct(labels: Sequence[str], longest: int = 24) -> list[str]:
    """Return labels without the words that all begin and end with, where they are long; they stay different."""
    parts = [label.split("-") for label in labels]
    if len(set(labels)) < 2 or max(map(len, labels)) <= longest:
        return list(labels)
    shortest = min(map(len, parts))
    start = next((k for k in range(shortest) if len({one[k] for one in parts}) > 1), shortest - 1)
    end = next((k for k in range(shortest - start) if len({one[-1 - k] for one in parts}) > 1), shortest - start - 1)
    cut = ["-".join(one[start : len(one) - end]) for one in parts]
    return cut if len(set(cut)) == len(set(labels)) and all(cut) else list(labels)


def recipe_of_teacher(part: Part | None) -> Recipe | None:
    """Return the recipe that a teacher is, where it is a single one, pruned or not."""
    recipes = [] if part is None else list(recipes_in(part))
    return recipes[0] if len(recipes) == 1 else None
