"""What methods on activations share: pairs of stages, means over time as maps, one height and width, connectors.

An activation is [T, B, C, H, W] of a convolution or [T, B, C] of a linear layer; its mean over time, the firing rates
where neurons spike, is a map [B, C, H, W], with H = W = 1 for the latter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from spikedistill.errors import InputError
from spikedistill.methods.divergences import widened
from spikedistill.methods.method import Losses, Method, Side, Signals
from spikedistill.neurons import BatchNorm
from spikedistill.randomness import Draws


@dataclass(frozen=True)
class OnStages(Method):
    """Base of methods that read activations: which, of student and teacher, are two fields."""

    abstract: ClassVar[bool] = True

    student_stages: tuple[str, ...] = field(default=("stages",), kw_only=True)
    """Where the student is read: "stages" for all of its own, or dotted paths."""
    teacher_stages: tuple[str, ...] = field(default=("stages",), kw_only=True)
    """Where the teacher is read, likewise."""

    @property
    def student_taps(self) -> tuple[str, ...]:  # type: ignore[override]
        """The student's stages."""
        return self.student_stages

    @property
    def teacher_taps(self) -> tuple[str, ...]:  # type: ignore[override]
        """The teacher's stages."""
        return self.teacher_stages

    def losses(
        self,
        student: Signals,  # noqa: ARG002
        teacher: Signals | None,
        labels: Tensor,  # noqa: ARG002
        draws: Draws | None = None,  # noqa: ARG002
    ) -> Losses:
        """Refused where layers are trained, which `build` makes. Raises InputError."""
        self.taught_by(teacher)
        raise InputError(f"The method {self.name!r} has trained layers. Call what `build` returns.")


Pairs = list[tuple[str, str]]
"""Paths of the student's and of the teacher's stages, in their order."""


def paths_of(taps: Mapping[str, Tensor], names: tuple[str, ...], whose: str) -> list[str]:
    """The paths of a method's taps, in their order; all of them have maps.

    Raises:
        InputError: an activation is neither [T, B, C, H, W] nor [T, B, C].
    """
    for path, tap in taps.items():
        if tap.dim() not in (3, 5):
            raise InputError(
                f"The {whose}'s activation {path!r} is {list(tap.shape)}; a connector matches [T, B, C, H, W] or "
                "[T, B, C]. Name another module."
            )
    if not taps:
        raise InputError(f"The {whose} has no activations of {', '.join(names) or 'no name'}. Name its stages.")
    return list(taps)


def pairs_of(student: Side, teacher: Side, mine: tuple[str, ...], theirs: tuple[str, ...]) -> Pairs:
    """The student's first stage with the teacher's first, and so on.

    Args:
        student: With its activations.
        teacher: Likewise.
        mine: Names of the student's taps, for errors.
        theirs: Names of the teacher's.

    Raises:
        InputError: they do not have as many, or one is no map; see `paths_of`.
    """
    learned = paths_of(student.signals.taps, mine, "student")
    taught = paths_of(teacher.signals.taps, theirs, "teacher")
    if len(learned) != len(taught):
        raise InputError(
            f"The student has {len(learned)} stages ({', '.join(learned)}), the teacher {len(taught)} "
            f"({', '.join(taught)}). Name as many of each: student_stages=(...), teacher_stages=(...)."
        )
    return list(zip(learned, taught, strict=True))


def maps(signals: Signals, path: str) -> Float[Tensor, "B C H W"]:
    """Mean over time of an activation."""
    mean = signals.taps[path].mean(dim=0)
    return mean if mean.dim() == 4 else mean[:, :, None, None]


def channels(signals: Signals, path: str) -> int:
    """C of an activation."""
    return signals.taps[path].shape[2]


def same_size(
    one: Float[Tensor, "B C H W"], other: Float[Tensor, "B D I J"]
) -> tuple[Float[Tensor, "B C h w"], Float[Tensor, "B D h w"]]:
    """Both maps at the smaller height and the smaller width: the larger is averaged over patches."""
    height, width = (min(a, b) for a, b in zip(one.shape[2:], other.shape[2:], strict=True))
    return _averaged(one, height, width), _averaged(other, height, width)


def _averaged(x: Tensor, height: int, width: int) -> Tensor:
    if x.shape[2:] == (height, width):
        return x
    if x.shape[2] % height == 0 and x.shape[3] % width == 0:  # the same numbers, and deterministic on a GPU
        return F.avg_pool2d(x, (x.shape[2] // height, x.shape[3] // width))
    return F.adaptive_avg_pool2d(x, (height, width))


class Connector(nn.Module):
    """1x1 convolution without bias and batch norm, from the student's channels to the teacher's.

    The convolution starts at N(0, 2 / outputs), as in the code of overhaul distillation.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        nn.init.normal_(self.conv.weight, std=(2.0 / outputs) ** 0.5)
        self.norm = BatchNorm().build(outputs)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Maps of the teacher's channels."""
        output: Tensor = self.norm(self.conv(x)[None])[0]
        return output


def align(inputs: int, outputs: int) -> nn.Module:
    """1x1 convolution with bias where the channels differ, else nothing."""
    return nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)


def squared_distance(one: Float[Tensor, "B *shape"], other: Float[Tensor, "B *shape"]) -> Float[Tensor, ""]:
    """Sum of squared differences over all but the batch, mean over the batch, in 32 bits."""
    return F.mse_loss(widened(one), widened(other), reduction="sum") / len(one)
