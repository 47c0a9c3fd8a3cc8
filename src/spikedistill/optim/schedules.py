"""Learning-rate schedules: pure functions of the epoch, so that nothing of them has to be saved."""

import math
from dataclasses import dataclass
from typing import ClassVar

from spikedistill.errors import InputError
from spikedistill.values.checks import check_above, check_at_least, check_share


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


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from one to `end` over the epochs after the warm-up; with a warm-up, a triangle.

    To zero within the budget that there is, whatever that is: the schedule that Li et al. recommend ("Budgeted
    training", ICLR 2020, arXiv 1905.04753).
    """

    end: float = 0.0
    """Factor at the end of the last epoch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self, "end")

    def decay(self, epoch: float, epochs: int) -> float:
        """See the class."""
        done = (epoch - self.warmup_epochs) / max(epochs - self.warmup_epochs, 1e-9)
        return 1.0 + (self.end - 1.0) * min(done, 1.0)


@dataclass(frozen=True)
class Triangle(Schedule):
    """Up in a straight line from `start` to one, and down to `end`: one cycle (Smith and Topin, arXiv 1708.07120).

    The defaults are those of Jordan, "94 % on CIFAR-10 in 3.29 seconds on a single GPU" (arXiv 2404.00498, airbench94).
    """

    start: float = 0.2
    """Factor of the first step, in [0, 1]."""
    peak: float = 0.23
    """Share of the epochs after the warm-up at which the factor is one, in (0, 1)."""
    end: float = 0.07
    """Factor at the end of the last epoch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self, "start", "end")
        if not 0 < self.peak < 1:
            raise InputError(f"peak must be a share of the epochs between 0 and 1, not {self.peak} (Triangle).")

    def decay(self, epoch: float, epochs: int) -> float:
        """See the class."""
        done = min((epoch - self.warmup_epochs) / max(epochs - self.warmup_epochs, 1e-9), 1.0)
        if done < self.peak:
            return self.start + (1.0 - self.start) * done / self.peak
        return 1.0 + (self.end - 1.0) * (done - self.peak) / (1.0 - self.peak)
