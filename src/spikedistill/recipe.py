"""What a run is: frozen values that say everything about it.

A recipe is data, model, neuron, method, teacher, optimiser and numbers. `to_json` and `from_json` of
`spikedistill.values.plain` save and load it strictly; its digest names the run's folder.
"""

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, TypeVar, get_args

from spikedistill.data.dataset import Dataset
from spikedistill.errors import InputError, shown
from spikedistill.machine.device import Precision
from spikedistill.methods import CrossEntropy
from spikedistill.methods.method import Method
from spikedistill.models import Model
from spikedistill.neurons import IF, Backward, BatchNorm, Neuron, Normalisation
from spikedistill.optim import SGD, Cosine, Optimizer, Phase, Schedule
from spikedistill.optim.phases import Settings, check_phases, settings_at
from spikedistill.values.checks import check_at_least, check_choice, check_count
from spikedistill.values.plain import digest

AnyPart = TypeVar("AnyPart", bound="Part")
MOST_STEPS = 10**4
"""Time steps; the papers of conversion take up to 2,500."""
UNNAMED = "recipe"
"""Name of a recipe that has none; who loads it from a file or a table names it after its place there."""
LONGEST_NAME = 200
"""Bytes of a name; file systems take 255 with the hash."""


@dataclass(frozen=True)
class Part:
    """Base of a recipe's parts that may name other networks: recipes and teachers, alone or in tuples, in their fields.

    What they name is trained, resolved and rehearsed before the recipe that has them.
    """

    abstract: ClassVar[bool] = True

    def resolve(self: AnyPart, context: Any) -> AnyPart:
        """The part with everything said that depends on files or on the machine, such as a digest of weights.

        By default that of all recipes and teachers in its fields.

        Args:
            context: A `spikedistill.teachers.Context`.

        Raises:
            InputError: what it names is not there, or not what it was.
        """
        return self.replace_inner(
            lambda inner: context.resolve(inner) if isinstance(inner, Recipe) else inner.resolve(context)
        )

    def load(self, context: Any) -> Any:
        """The part ready for use: of a teacher a `spikedistill.teachers.LoadedTeacher`, of a start a function.

        It gets a `spikedistill.teachers.Context`, whose networks may be shared: who changes one copies it first.

        Raises:
            InputError: what it names is not there, or not what it was.
        """
        raise NotImplementedError

    def inner(self) -> "list[Recipe | Teacher]":
        """The recipes and teachers in its fields."""
        found: list[Recipe | Teacher] = []
        self.replace_inner(lambda inner: found.append(inner) or inner)  # type: ignore[func-returns-value]
        return found

    def replace_inner(self: AnyPart, change: "Callable[[Any], Any]") -> AnyPart:
        """The part with the recipes and teachers in its fields as `change` makes them."""

        def within(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(map(within, value))
            return change(value) if isinstance(value, Recipe | Teacher) else value

        return replace(self, **{f.name: within(getattr(self, f.name)) for f in fields(self)})


@dataclass(frozen=True)
class Teacher(Part):
    """Base of all ways to name a teacher; each is a file of `spikedistill.teachers`.

    One that wraps others has them in its fields, alone or in tuples.
    """

    abstract: ClassVar[bool] = True
    kinds_folder: ClassVar[str] = "teachers"

    @property
    def foreign(self) -> bool:
        """Whether code that is named in no recipe decides what it answers; by default if it wraps one of that sort."""
        return any(inner.foreign for inner in self.inner() if isinstance(inner, Teacher))


@dataclass(frozen=True)
class Start(Part):
    """Base of what is done to the student before its first step; each kind is a file of `spikedistill.starts`.

    `load` returns a function of the student and of `spikedistill.starts.Before` that changes the student.
    """

    abstract: ClassVar[bool] = True
    kinds_folder: ClassVar[str] = "starts"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result of a run."""

    data: Dataset
    """Images, labels and augmentation."""
    model: Model
    """Architecture."""
    epochs: int
    """Passes over the training set."""
    neuron: Neuron = IF()
    """Activation: a spiking neuron, or ReLU for an ANN."""
    norm: Normalisation = BatchNorm()
    """Norm of all layers that have one."""
    steps: int = 4
    """T, the time steps of a spiking network in training and in `accuracy`; an ANN has one."""
    method: Method = CrossEntropy()
    """Loss."""
    teacher: Teacher | None = None
    """Network to learn from, where the method needs one."""
    optimizer: Optimizer = SGD()
    schedule: Schedule = Cosine()
    batch_size: int = 128
    """The last incomplete batch of an epoch is left out; each epoch shuffles anew."""
    phases: tuple[Phase, ...] = ()
    """T, backward pass, batch size and factor of the learning rate, where they change while it trains."""
    start: tuple[Start, ...] = field(default=(), metadata={"added": True})
    """What is done to the network before its first step, in this order: weights of another one, say."""
    reestimate: int = field(default=0, metadata={"added": True})
    """Training images on which the norms' statistics of what is evaluated and kept are estimated anew; 0 for the
    running ones. It is done at the recipe's T, whatever T the running ones are of (`spikedistill.evaluate.norms`)."""
    evaluate_every: int = 1
    """Epochs from one evaluation to the next; the last epoch is always evaluated."""
    precision: Precision = "auto"
    """Autocast to bfloat16, or not; `auto` takes bf16 where the machine has instructions for it."""
    clip_norm: float = 0.0
    """Largest norm of the gradient of all parameters together; 0 for no clipping."""
    backward: Backward = "time"
    """Backward pass through time, or once on rates averaged over time (`spikedistill.neurons.rate`): faster, for
    methods that judge the mean of the logits."""
    ema: float = 0.0
    """Decay per step of the moving average of the weights, which is then evaluated and kept; 0 for none."""
    seed: int = 0
    """Of the initial weights, the order of the images, and what a method or a layer draws."""
    cache: str = field(default="", metadata={"place": True})
    """Folder in which the teacher's logits are stored and found; none where empty. Says where: not in the hash."""
    views: int = 0
    """Augmented views of each image that are shown: epoch e shows view e mod `views`. 0 for one per epoch. A few are an
    approximation, for which a `cache` holds less."""
    view_seed: int = 0
    """Of the augmentation. It is not `seed`, so that runs of all seeds show the same views and share stored answers."""
    name: str = field(default=UNNAMED, metadata={"label": True})
    """For people, and the beginning of the folder's name; not in the hash."""

    def __post_init__(self) -> None:
        check_count(self, "epochs", "batch_size", "evaluate_every", high=10**6)
        check_count(self, "steps", high=MOST_STEPS)
        check_at_least(self, "clip_norm")
        check_choice(self, "backward", get_args(Backward))
        if not 0 <= self.ema < 1:
            raise InputError(f"ema must be in [0, 1), not {self.ema}.")
        check_count(self, "views", low=0, high=10**6)
        check_count(self, "reestimate", low=0, high=10**9)
        for name in ("seed", "view_seed"):
            if not 0 <= getattr(self, name) < 2**31:
                raise InputError(f"{name} must be between 0 and 2^31 - 1, not {shown(getattr(self, name))}.")
        if not re.fullmatch(r"\w[\w.+=,-]*", self.name):
            allowed = "letters, digits and _ . + = , -, the first of them a letter, digit or _"
            raise InputError(f"name must be {allowed}, not {shown(self.name)}: it names a folder.")
        if len(self.name.encode()) > LONGEST_NAME:
            length = len(self.name.encode())
            raise InputError(f"name must be at most {LONGEST_NAME} bytes long, not {length}: it names a folder.")

        self._check_course()

    def _check_course(self) -> None:
        """Refuse a warm-up and phases that do not fit the rest."""
        if self.schedule.warmup_epochs > self.epochs:
            raise InputError(
                f"schedule.warmup_epochs is {self.schedule.warmup_epochs:g}, more than the {self.epochs} epochs of the "
                "whole training. Take a shorter warm-up, or more epochs."
            )
        check_phases(self.phases)
        for phase in self.phases:
            most = phase.steps or self.steps
            if (phase.fewest_steps or 1) > most:
                raise InputError(
                    f"A phase draws its T from {phase.fewest_steps} to {most}. Take fewest_steps of at most {most}."
                )
        asked = [steps for phase in self.phases for steps in (phase.steps, phase.fewest_steps)]
        other = [steps for steps in asked if steps not in (None, self.steps)]
        if other and self.method.same_steps:
            raise InputError(
                f"The method {self.method.name} compares time steps with its teacher's, so a phase cannot have "
                f"{other[0]} steps where the recipe has {self.steps}. Leave `steps` and `fewest_steps` "
                "out of its phases."
            )
        if other and self.data.steps:
            raise InputError(
                f"The frames of {self.data.name} have {self.data.steps} time steps, so a phase cannot have {other[0]}. "
                "Leave `steps` and `fewest_steps` out of its phases."
            )

    def settings(self, share: float) -> Settings:
        """Return what holds for a step that begins when this share of all images, in [0, 1), has been seen."""
        return settings_at(self.phases, share, Settings(self.steps, self.backward, self.batch_size, 1.0))

    @property
    def parts(self) -> tuple[Part, ...]:
        """Those that may name other networks, in the order in which they are needed."""
        return self.start if self.teacher is None else (*self.start, self.teacher)

    @property
    def time_steps(self) -> int:
        """T of the network that this recipe trains; an ANN has one, but on frames it answers each."""
        return self.steps if self.model.spikes(self.neuron) or self.data.steps else 1

    @property
    def unused(self) -> frozenset[str]:
        """Parts that the model brings itself."""
        return frozenset({"neuron", "norm"}) - self.model.uses

    def view(self, epoch: int) -> int:
        """Return which augmentation of the training images an epoch shows."""
        return epoch % self.views if self.views else epoch

    @property
    def hash(self) -> str:
        """First digits of the digest, which end the name of the run's folder."""
        return digest(self)[:10]


def everywhere(recipe: Recipe, change: Callable[[Recipe], Recipe]) -> Recipe:
    """Return the recipe as `change` makes it, and so the recipes of its start and teacher, of that one's, and so on."""

    def within(inner: Recipe | Teacher) -> Recipe | Teacher:
        return everywhere(inner, change) if isinstance(inner, Recipe) else inner.replace_inner(within)

    changed = change(recipe)
    start = tuple(one.replace_inner(within) for one in changed.start)
    return replace(changed, start=start, teacher=changed.teacher and changed.teacher.replace_inner(within))


def recipes_in(part: Part) -> Iterator[Recipe]:
    """Yield the recipes that a part needs trained first, those within teachers that it wraps too."""
    for inner in part.inner():
        if isinstance(inner, Recipe):
            yield inner
        else:
            yield from recipes_in(inner)


def recipes_of(part: Part | None) -> Iterator[Recipe]:
    """Yield the recipes that train a part's networks, and those that these need, and so on."""
    for recipe in recipes_in(part) if part is not None else ():
        yield recipe
        for other in recipe.parts:
            yield from recipes_of(other)


def __getattr__(name: str) -> Any:
    """The kinds of teachers, which were here in version 0.1: recipes that import them from here go on working."""
    if name not in ("FromModule", "FromRecipe", "FromRun"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("spikedistill.teachers"), name)
