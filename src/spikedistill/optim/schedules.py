"""Learning-rate schedules: pure functions of the epoch, so that nothing of them has to be saved."""

import math
from dataclasses import dataclass
from typing import ClassVar

from spikedistill.errors import InputError
from spikedistill.values.checks import check_above, check_at_least


@dataclass(frozen=True)
class Schedule:
    """Base of all schedules."""

    abstract: ClassVar[bool] = True

    warmup_epochs: float = 0.0
    """The learning rate rises linearly, from nearly 0, over this many epochs first."""

    def __post_init__(self) -> None:
        check_at_least(self, "warmup_epochs")

    def factor(self, epoch: float, epochs: int) -> float:
        """Factor on the peak learning rate at `epoch`, a fraction between 0 and `epochs`."""
        if epoch < self.warmup_epochs:
            return (epoch + 1e-3) / (self.warmup_epochs + 1e-3)
        return self.decay(epoch, epochs)

    def decay(self, epoch: float, epochs: int) -> float:
        """Factor after the warm-up."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """No decay."""

    def decay(self, epoch: float, epochs: int) -> float:  # noqa: ARG002
        """One."""
        return 1.0


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from one to zero over the epochs after the warm-up (Loshchilov and Hutter, ICLR 2017)."""

    def decay(self, epoch: float, epochs: int) -> float:
        """See the class."""
        done = (epoch - self.warmup_epochs) / max(epochs - self.warmup_epochs, 1e-9)
        return 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))


@dataclass(frozen=True)
class Step(Schedule):
    """Multiply by `gamma` at each milestone."""

    milestones: tuple[float, ...] = (0.5, 0.75)
    """Shares of all epochs, between 0 and 1."""
    gamma: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not 0 < milestone < 1 for milestone in self.milestones):
            raise InputError(f"milestones are shares of all epochs, between 0 and 1, not {self.milestones}.")
        check_above(self, "gamma")

    def decay(self, epoch: float, epochs: int) -> float:
        """See the class."""
        return self.gamma ** sum(epoch >= milestone * epochs for milestone in self.milestones)
