"""What every distillation method is: named losses of a student's signals, a teacher's signals and labels."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.randomness import Draws

Losses = dict[str, Tensor]
"""Raw loss terms by name, scalars: they are logged as they are, and minimised times their weights."""

Weights = Mapping[str, float]
"""Factors of loss terms, by the terms' names."""


@dataclass(frozen=True)
class Signals:
    """What a network said of a batch."""

    logits: Float[Tensor, "T B K"]
    """Outputs per time step, before the softmax; an ANN's T is 1."""
    taps: dict[str, Tensor] = field(default_factory=dict)
    """Activations [T, B, ...] by the names that the method asked for."""

    def detach(self) -> "Signals":
        """The same signals outside autograd."""
        return Signals(self.logits.detach(), {name: tap.detach() for name, tap in self.taps.items()})


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two that a method is built for: a network, and what it said of two images."""

    network: nn.Module | None
    """None for a teacher whose answers are stored."""
    signals: Signals
    batches: Callable[[], Iterator[Signals]] | None = None
    """What the teacher says of training batches, the first epoch's in their order, asked one by one; None where nobody
    can be asked. For what a method has to measure of a teacher."""

    def a_few(self, count: int) -> list[Signals]:
        """What it says of up to `count` training batches; of the two images where there are none."""
        return [self.signals] if self.batches is None else list(islice(self.batches(), count))


@dataclass(frozen=True)
class Method:
    """Base of all methods: the hyper-parameters as fields, the losses as a function of signals.

    The class variables may be properties that depend on the fields.
    """

    abstract: ClassVar[bool] = True

    name: ClassVar[str]
    """Name on the command line and in recipes' files, in kebab-case."""
    needs_teacher: ClassVar[bool] = True
    """False for a method that trains without one."""
    needs_labels: ClassVar[bool] = True
    """False for a method that does not look at the labels."""
    same_steps: ClassVar[bool] = False
    """True for a method that compares time steps: student and teacher must have as many."""
    draws: ClassVar[bool] = False
    """True for a method with random numbers: `losses` is given `draws` too."""
    student_taps: ClassVar[tuple[str, ...]] = ()
    """Activations of the student that `losses` reads: stages of the model, or dotted module paths."""
    teacher_taps: ClassVar[tuple[str, ...]] = ()
    """The same of the teacher."""

    @property
    def weights(self) -> Weights:
        """Factors of the loss terms by name. A term that is not named here counts once."""
        return {}

    def factor_of(self, term: str) -> float:
        """The factor of a loss term."""
        return self.weights.get(term, 1.0)

    def at(self, progress: float) -> "Method":  # noqa: ARG002
        """The method with the factors that hold when this share of the training is done.

        A method whose terms grow or fade while it trains overrides this. Factors alone may change: the terms are those
        of the method itself. The loop weighs each step's terms with it; the log has the factors at the end of an epoch.

        Args:
            progress: Share of all images that has been seen, in [0, 1) for a step. It is a function of the epoch and
                the place in it, so that a run that is resumed goes on where it stood.
        """
        return self

    def losses(self, student: Signals, teacher: Signals | None, labels: Int[Tensor, " B"]) -> Losses:
        """Raw loss terms by name; their sum, each times its weight, is minimised.

        A method whose flag `draws` is set takes a fourth argument of that name, the random numbers of the batch
        (`spikedistill.randomness.Draws`), each a function of (seed, epoch, index).

        Args:
            student: With gradient.
            teacher: Without gradient; None where the method needs no teacher.
            labels: Class indices.
        """
        raise NotImplementedError

    def total(self, losses: Losses) -> Float[Tensor, ""]:
        """What is minimised: the sum of the terms, each times its weight."""
        weights = {name: self.factor_of(name) for name in losses}
        weighted = (loss if weights[name] == 1.0 else weights[name] * loss for name, loss in losses.items())
        return torch.stack(tuple(weighted)).sum()

    def taught_by(self, teacher: Signals | None) -> Signals:
        """The teacher's signals outside autograd.

        Raises:
            InputError: there is no teacher.
        """
        if teacher is None:
            raise InputError(f"The method {self.name!r} needs a teacher and was given none. Name a teacher.")
        return teacher.detach()

    def taught_side(self, teacher: Side | None) -> Side:
        """The teacher's side, for `build`. Raises InputError where there is no teacher."""
        if teacher is None:
            self.taught_by(None)
        assert teacher is not None
        return teacher

    def build(self, student: Side, teacher: Side | None) -> "MethodModule":  # noqa: ARG002
        """The method as a module, for these networks and for signals shaped like these.

        A method with trainable parts overrides this and returns a `MethodModule` that holds them; they train, save and
        resume with the student.
        """
        return MethodModule(self.losses)


class MethodModule(nn.Module):
    """A method's losses as a module, so that trainable parts have a place; most have none."""

    def __init__(self, losses: Callable[..., Losses]) -> None:
        super().__init__()
        self._losses = losses

    def forward(self, student: Signals, teacher: Signals | None, labels: Tensor, draws: Draws | None = None) -> Losses:
        """See `Method.losses`; `draws` is handed on where there are any."""
        return self._losses(student, teacher, labels, *(() if draws is None else (draws,)))
