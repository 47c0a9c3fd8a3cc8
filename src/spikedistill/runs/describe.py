"""A run in a few lines for people, before it is trained: what is trained on what, and where."""

from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

import torch

from spikedistill.kernels.choice import in_use
from spikedistill.recipe import Part, Recipe, Teacher, recipes_in
from spikedistill.values.kinds import command_name


def describe(recipe: Recipe, device: torch.device, parameters: int) -> list[tuple[str, str]]:
    """Return what a resolved recipe will train, a name and a text for each line."""
    data, frames = recipe.data, "" if recipe.data.steps is None else f" of {recipe.data.steps} frames"
    spiking = recipe.model.spikes(recipe.neuron)
    neuron = [] if "neuron" in recipe.unused else [short(recipe.neuron)]
    steps = [f"T = {recipe.time_steps}"] if spiking or recipe.time_steps > 1 else []
    images = data.train_size or sum(data.train_counts) - data.validation
    lines = [
        ("recipe", f"{recipe.name} ({recipe.hash}), seed {recipe.seed}"),
        ("student", ", ".join([short(recipe.model), *neuron, *steps, f"{parameters:,} parameters"])),
        ("start", ", ".join(map(in_words, recipe.start))),
        ("teacher", in_words(recipe.teacher)),
        ("method", short(recipe.method)),
        ("data", f"{data.name}, {images:,} x {'x'.join(map(str, data.shape))}{frames}, {data.classes} classes"),
        ("machine", f"{device}, {recipe.precision}, kernels: {in_use(device.type)}"),
    ]
    return [(name, text) for name, text in lines if text]


def in_words(part: Part | None) -> str:
    """Return what a teacher or a start is, in a few words: its kind, and the recipes or places that it names."""
    if part is None:
        return ""
    names = [inner.name for inner in recipes_in(part)]
    named = [part, *(inner for inner in part.inner() if isinstance(inner, Teacher))]
    places = [value for one in named for name in ("folder", "target") if (value := getattr(one, name, ""))]
    return f"{type(part).__name__} {', '.join(names + places)}".strip()


def short(value: Any) -> str:
    """Return a part's name and those of its fields that are not at their default: `convnet(channels=(8,))`."""
    if not is_dataclass(value) or isinstance(value, type):
        return repr(value)
    changed = [f for f in fields(value) if f.repr and getattr(value, f.name) != _default(f)]
    inner = ", ".join(f"{f.name}={short(getattr(value, f.name))}" for f in changed)
    return f"{command_name(type(value))}{f'({inner})' if inner else ''}"


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()
