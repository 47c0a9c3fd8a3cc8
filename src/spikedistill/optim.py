"""Optimisers and learning-rate schedules: values, and how they are built from them.

A schedule is a pure function of the step, so that nothing of it has to be saved.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from spikedistill.checks import check_above, check_at_least
from spikedistill.errors import InputError


@dataclass(frozen=True)
class Optimizer:
    """Base of all optimisers. Weight decay is not applied to norms, biases and learned scalars of neurons."""

    learning_rate: float = 1e-3
    """Peak learning rate, which the schedule scales."""
    weight_decay: float = field(default=0.0, kw_only=True)
    """Of weights with two or more dimensions."""

    def __post_init__(self) -> None:
        check_above(self, "learning_rate")
        check_at_least(self, "weight_decay")

    def build(self, modules: Iterable[nn.Module]) -> torch.optim.Optimizer:
        """Return torch's optimiser over the modules' parameters, at learning rate `learning_rate`."""
        raise NotImplementedError


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum."""

    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = field(default=5e-4, kw_only=True)
    """L2 penalty, added to the gradient, of weights with two or more dimensions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum must be in [0, 1), not {self.momentum}.")
        if self.nesterov and not self.momentum:
            raise InputError("nesterov needs a momentum above 0.")

    def build(self, modules: Iterable[nn.Module]) -> torch.optim.Optimizer:
        """See `Optimizer.build`."""
        groups = _groups(modules, self.weight_decay)
        return torch.optim.SGD(groups, self.learning_rate, self.momentum, nesterov=self.nesterov, fused=True)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba, ICLR 2015)."""

    def build(self, modules: Iterable[nn.Module]) -> torch.optim.Optimizer:
        """See `Optimizer.build`."""
        return torch.optim.Adam(_groups(modules, self.weight_decay), self.learning_rate, fused=True)


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019)."""

    weight_decay: float = field(default=1e-2, kw_only=True)
    """Decay per step, times the learning rate, of weights with two or more dimensions."""

    def build(self, modules: Iterable[nn.Module]) -> torch.optim.Optimizer:
        """See `Optimizer.build`."""
        return torch.optim.AdamW(_groups(modules, self.weight_decay), self.learning_rate, fused=True)


@dataclass(frozen=True)
class Schedule:
    """Base of all schedules."""

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


def _groups(modules: Iterable[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Parameters with decay (weights of two or more dimensions) and without (norms, biases, neurons' scalars)."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
