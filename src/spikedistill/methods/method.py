"""What every distillation method is: named losses of a student's signals, a teacher's signals and labels."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from spikedistill.errors import InputError

Losses = dict[str, Tensor]
"""Loss terms by name, scalars, weighted already: the loop sums them and logs each by its name."""


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


@dataclass(frozen=True)
class Method:
    """Base of all methods: the hyper-parameters as fields, the losses as a function of signals."""

    name: ClassVar[str]
    """Name on the command line and in recipes' files, in kebab-case."""
    needs_teacher: ClassVar[bool] = True
    """False for a method that trains from labels alone."""
    student_taps: ClassVar[tuple[str, ...]] = ()
    """Activations of the student that `losses` reads: stages of the model, or dotted module paths."""
    teacher_taps: ClassVar[tuple[str, ...]] = ()
    """The same of the teacher."""

    def losses(self, student: Signals, teacher: Signals | None, labels: Int[Tensor, " B"]) -> Losses:
        """Loss terms by name; their sum is minimised.

        Args:
            student: With gradient.
            teacher: Without gradient; None where the method needs no teacher.
            labels: Class indices.
        """
        raise NotImplementedError

    def taught_by(self, teacher: Signals | None) -> Signals:
        """The teacher's signals outside autograd.

        Raises:
            InputError: there is no teacher.
        """
        if teacher is None:
            raise InputError(f"The method {self.name!r} needs a teacher and was given none. Name a teacher.")
        return teacher.detach()

    def build(self, student: Signals, teacher: Signals | None) -> "MethodModule":  # noqa: ARG002
        """The method as a module, for signals shaped like these.

        A method with trainable parts overrides this and returns a `MethodModule` that holds them; they train, save and
        resume with the student.
        """
        return MethodModule(self.losses)


class MethodModule(nn.Module):
    """A method's losses as a module, so that trainable parts have a place; most have none."""

    def __init__(self, losses: Callable[[Signals, Signals | None, Tensor], Losses]) -> None:
        super().__init__()
        self._losses = losses

    def forward(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:
        """See `Method.losses`."""
        return self._losses(student, teacher, labels)
