"""Whatever is found goes through the loop: trained in two steps, killed between them, resumed to the same weights.

Every method in both precisions, every neuron, every architecture. Two small methods more stand for what no method of
the library does: trained layers with buffers and dropout on activations, random numbers by sample, no labels.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import pytest
import torch
from torch import nn

from spikedistill.data import Augment, TensorSplit, datasets
from spikedistill.errors import InputError
from spikedistill.methods import TSER, Method, MethodModule, Sum, methods
from spikedistill.methods.divergences import cross_entropy
from spikedistill.models import Twin, models
from spikedistill.models.size import size
from spikedistill.neurons import IF, Neuron, ReLU
from spikedistill.optim import AdamW
from spikedistill.runs import train as runs
from spikedistill.teachers import FromRecipe
from spikedistill.training import loop
from spikedistill.values.kinds import shipped_kinds


@dataclass(frozen=True)
class TrainedLayers(Method):
    """Maps stages to the teacher's with a trained layer, batch norm (buffers) and dropout (torch's random numbers)."""

    name: ClassVar[str] = "trained-layers"
    student_taps: ClassVar[tuple[str, ...]] = ("stages.current",)
    teacher_taps: ClassVar[tuple[str, ...]] = ("stages",)

    def build(self, student, teacher):
        mine, theirs = (next(iter(side.signals.taps.values())).shape[2] for side in (student, teacher))
        return Layers(mine, theirs)


class Layers(MethodModule):
    def __init__(self, inputs, outputs):
        super().__init__(self.losses)
        self.layers = nn.Sequential(nn.Dropout(0.2), nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))

    def losses(self, student, teacher, labels):
        mine, theirs = (next(iter(signals.taps.values())).mean(0) for signals in (student, teacher))
        distance = (self.layers(mine) - theirs).float().square().mean()
        return {"cross_entropy": cross_entropy(student.logits, labels), "hint": distance}


@dataclass(frozen=True)
class NoLabels(Method):
    """The teacher's outputs at as many steps, some of them masked; no label is looked at."""

    name: ClassVar[str] = "no-labels"
    needs_labels: ClassVar[bool] = False
    same_steps: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    def losses(self, student, teacher, labels, draws):
        mask = draws.uniform("mask", student.logits.shape[-1]) < 0.7
        return {"distance": ((student.logits - teacher.logits) * mask).square().mean()}


FOUND = [kind() for kind in methods().values()]
MORE = [TrainedLayers(), NoLabels(), Sum((TSER(), TrainedLayers(), NoLabels()), (1.0, 0.5, 0.1))]


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Folders for the runs that are left alone and for those that are killed; teachers are trained once."""
    return tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("parts")


@pytest.fixture
def resumes(roots, monkeypatch, outcome, interrupted):
    """A function that trains a recipe of two steps, kills another training of it between them, and compares."""

    def check(recipe):
        whole, parts = roots
        if isinstance(recipe.teacher, FromRecipe):
            runs.train_recipe(recipe.teacher.recipe, parts, "cpu")
        run = runs.train_recipe(recipe, whole, "cpu")
        assert outcome(interrupted(recipe, parts, monkeypatch, 1)) == outcome(run)
        return run

    return check


@pytest.fixture
def small(student, teacher, stripes):
    """Two steps of 12 images, and a teacher for it."""
    few = {"data": stripes(train_size=24), "batch_size": 12, "epochs": 1}
    return replace(student, **few, optimizer=AdamW(1e-2), steps=2), replace(teacher, **few)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", [*FOUND, *MORE], ids=lambda method: method.name)
def test_every_method(method, precision, small, resumes, logged):
    recipe, teacher = small
    recipe = replace(recipe, method=method, precision=precision, name=f"{method.name}-{precision}")
    if method.needs_teacher:
        recipe = replace(recipe, teacher=FromRecipe(teacher))
    if method.same_steps:
        recipe = replace(recipe, steps=1)
    run = resumes(recipe)
    (record,) = logged(run.folder)
    assert record["losses"]
    assert all(math.isfinite(value) for value in record["losses"].values())
    assert record["weights"] == {name: method.factor_of(name) for name in record["losses"]}


@pytest.mark.parametrize("method", [*FOUND, *MORE], ids=lambda method: method.name)
def test_flags_say_what_a_method_needs(method, small, tmp_path, monkeypatch):
    """A teacher is missed or refused; without labels the labels make no difference."""
    recipe, teacher = small
    recipe = replace(recipe, method=method, steps=1)
    wrong = recipe if method.needs_teacher else replace(recipe, teacher=FromRecipe(teacher))
    with pytest.raises(InputError, match="teacher"):
        runs.train_recipe(wrong, tmp_path, "cpu")
    assert not list(tmp_path.glob("*/metrics.json"))
    if not method.needs_labels:
        step = loop.train_step

        def shuffled(task, state, batch):
            mine = task.recipe.method == method  # not the teacher's
            return step(task, state, replace(batch, labels=batch.labels.flip(0)) if mine else batch)

        right = replace(recipe, teacher=FromRecipe(teacher))
        one = (runs.train_recipe(right, tmp_path / "one", "cpu").folder / "weights.safetensors").read_bytes()
        monkeypatch.setattr(loop, "train_step", shuffled)
        other = (runs.train_recipe(right, tmp_path / "other", "cpu").folder / "weights.safetensors").read_bytes()
        assert one == other


@pytest.mark.parametrize("kind", shipped_kinds(Neuron).values(), ids=lambda kind: kind.__name__)
def test_every_neuron(kind, small, resumes):
    recipe, _ = small
    resumes(replace(recipe, neuron=kind(), seed=1, name=f"neuron-{kind.__name__}"))


SMALLEST = [
    min(kind.examples(), key=lambda example: size(*example).parameters)
    for kind in models().values()
    if kind.examples()  # those of other libraries have none
]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_twins_of_the_users_networks(precision, small, resumes):
    """Dropout and all."""
    recipe, _ = small
    resumes(replace(recipe, model=Twin("plain_networks:stripes"), precision=precision, name=f"twin-{precision}"))


@pytest.mark.parametrize(("neuron", "precision"), [(IF(), "bf16"), (ReLU(), "fp32")], ids=["snn", "ann"])
@pytest.mark.parametrize("model", [model for model, _ in SMALLEST], ids=lambda model: model.name)
def test_every_architecture(model, neuron, precision, small, resumes):
    """Spiking in bfloat16, on the kernels where they are built, and as an ordinary network."""
    recipe, _ = small
    name = f"model-{model.name}-{precision}"
    resumes(replace(recipe, model=model, neuron=neuron, precision=precision, seed=2, name=name))


def few_of(kind):
    """The data set with three and two random images of each class in place of its files, which its own tests read.

    One that finds out what its files are like finds ten classes, and two frames where it has frames.
    """
    own = not kind().described
    classes = 10 if own else kind.classes
    frames = {"frames": 2} if hasattr(kind, "frames") else {}
    size = (2, *kind().shape) if frames else (3, 10, 10) if own else kind().shape

    def part(count, seed):
        draw = torch.Generator().manual_seed(seed)
        labels = torch.arange(classes).repeat(count)
        return TensorSplit(torch.randint(0, 256, (len(labels), *size), generator=draw, dtype=torch.uint8), labels)

    counts = {} if own else {"train_counts": (3,) * classes, "test_counts": (2,) * classes}
    few = {"name": f"few-{kind.name}", "_read": lambda self: (part(3, 0), part(2, 1))}
    made = dataclass(frozen=True)(type(f"Few{kind.__name__}", (kind,), {"__module__": __name__, **counts, **few}))
    return partial(made, **frames)


@pytest.mark.parametrize("kind", datasets().values(), ids=lambda kind: kind.name)
def test_every_data_set(kind, small, resumes):
    """Its shape, statistics and augmentation, held-out images too."""
    recipe, _ = small
    data = few_of(kind)(validation=6, augment=Augment(crop=1, flip=True, cutout=2))
    resumes(replace(recipe, data=data, name=f"data-{kind.name}"))


def test_the_suite_finds_what_there_is():
    assert {"cifar10", "digits", "fashion-mnist", "mnist"} <= datasets().keys()
    assert {"cross-entropy", "kdsnn", "sum", "tet", "tser", "vanilla-kd"} <= {method.name for method in FOUND}
    assert {"IF", "LIF", "PLIF", "ReLU"} <= {kind.__name__ for kind in shipped_kinds(Neuron).values()}
    assert {"convnet", "mlp", "resnet", "wrn"} <= {model.name for model, _ in SMALLEST}
