"""Optimisers: values, and torch's own that are built from them."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.values.checks import check_above, check_at_least

FACTOR = "factor"
"""Of the learning rate, in a group of parameters that has one of its own."""


@dataclass(frozen=True)
class Optimizer:
    """Base of all optimisers. Weight decay is not applied to norms, biases and learned scalars of neurons."""

    abstract: ClassVar[bool] = True

    learning_rate: float = 1e-3
    """Peak learning rate, which the schedule scales."""
    weight_decay: float = field(default=0.0, kw_only=True)
    """Of weights with two or more dimensions."""
    norm_bias_factor: float = field(default=1.0, kw_only=True, metadata={"added": True})
    """Factor of the learning rate for the biases of norms, each of which shifts its neurons' threshold. Short trainings
    of ANNs take 64 (Page, "How to train your ResNet", 2019; airbench94, arXiv 2404.00498)."""

    def __post_init__(self) -> None:
        check_above(self, "learning_rate", "norm_bias_factor")
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
        groups = groups_of(modules, self.weight_decay, self.norm_bias_factor)
        return FusedSGD(groups, self.learning_rate, self.momentum, nesterov=self.nesterov, fused=True)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba, ICLR 2015)."""

    def build(self, modules: Iterable[nn.Module]) -> torch.optim.Optimizer:
        """See `Optimizer.build`."""
        return _FusedAdam(groups_of(modules, self.weight_decay, self.norm_bias_factor), self.learning_rate, fused=True)


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019)."""

    weight_decay: float = field(default=1e-2, kw_only=True)
    """Decay per step, times the learning rate, of weights with two or more dimensions."""

    def build(self, modules: Iterable[nn.Module]) -> torch.optim.Optimizer:
        """See `Optimizer.build`."""
        return _FusedAdamW(groups_of(modules, self.weight_decay, self.norm_bias_factor), self.learning_rate, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate for the next step; a group of parameters may have a factor of its own."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(FACTOR, 1.0)


def groups_of(modules: Iterable[nn.Module], weight_decay: float, bias_factor: float) -> list[dict[str, Any]]:
    """Return parameters with decay (weights of two or more dimensions) and without (norms, biases, neurons' scalars).

    Where norms' biases have a factor of the learning rate, they are a third group.
    """
    modules = tuple(modules)
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    apart = set() if bias_factor == 1.0 else {id(p) for module in modules for p in _norm_biases(module)}
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2 and id(p) not in apart], "weight_decay": 0.0},
    ]
    if bias_factor != 1.0:
        biases = [p for p in parameters if id(p) in apart]
        groups.append({"params": biases, "weight_decay": 0.0, FACTOR: bias_factor})
    return groups


def _norm_biases(network: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the biases of norms: of modules with running statistics, and of torch's norms without."""
    for module in network.modules():
        if isinstance(module, nn.LayerNorm | nn.GroupNorm) or hasattr(module, "running_mean"):
            bias = getattr(module, "bias", None)
            if isinstance(bias, nn.Parameter):
                yield bias


class _InMemoryOrder(torch.optim.Optimizer):
    """Steps over weights, gradients and moments as they lie in memory.

    On a CPU PyTorch's fused optimisers walk weight and gradient as if both lay in one order and without gaps (torch
    2.13), so they are given such. And they first copy every gradient that is not contiguous, and then do not use the
    copy: for the 11 million weights of ResNet-18, in channels_last order, 11 ms; so those are shown to them permuted.
    """

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step. A closure would see the weights in another shape, so there can be none."""
        if closure is not None:
            raise TypeError("This optimiser takes no closure.")
        with self._permuted():
            super().step()

    @contextlib.contextmanager
    def _permuted(self) -> Iterator[None]:
        stepped = [p for group in self.param_groups for p in group["params"] if p.grad is not None and p.is_cpu]
        gaps = [(weight, weight.data) for weight in stepped if _has_gaps(weight)]
        for weight, data in gaps:
            weight.data = data.contiguous()
        for weight in stepped:
            if not _same_order(weight, weight.grad):
                weight.grad = torch.empty_like(weight).copy_(weight.grad)
        weights = [weight for weight in stepped if _scattered(weight)]
        for weight in weights:
            self._permute(weight, (0, 2, 3, 1))
        try:
            yield
        finally:
            for weight in weights:
                self._permute(weight, (0, 3, 1, 2))
            for weight, data in gaps:
                weight.data = data.copy_(weight.data)

    def _permute(self, weight: Tensor, order: tuple[int, ...]) -> None:
        grad, weight.grad = weight.grad, None
        shape = weight.shape
        weight.data = weight.data.permute(order)
        weight.grad = None if grad is None else grad.permute(order)
        moments = self.state.get(weight, {})
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == shape:
                moments[name] = value.permute(order)


def _scattered(weight: Tensor) -> bool:
    """Whether a weight, and so its gradient, is in channels_last order and in no other."""
    return weight.dim() == 4 and not weight.is_contiguous() and weight.is_contiguous(memory_format=torch.channels_last)


def _has_gaps(weight: Tensor) -> bool:
    """Whether a weight does not fill its memory: part of another tensor, say."""
    return not weight.is_contiguous() and not _scattered(weight) and not _same_order(weight, torch.empty_like(weight))


def _same_order(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors of one shape lie in memory alike; a stride along a size of 1 means nothing."""
    if a.stride() == b.stride():
        return True
    return all(one == other for size, one, other in zip(a.shape, a.stride(), b.stride(), strict=True) if size > 1)


class FusedSGD(_InMemoryOrder, torch.optim.SGD):
    """Torch's SGD, over weights as they lie in memory."""


class _FusedAdam(_InMemoryOrder, torch.optim.Adam):
    pass


class _FusedAdamW(_InMemoryOrder, torch.optim.AdamW):
    pass
