"""Muon for the filters of convolutions (Jordan et al., "Muon", 2024; airbench94_muon), SGD for all else."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spikedistill.optim.optimizers import FACTOR, SGD, FusedSGD, groups_of
from spikedistill.values.checks import check_above, check_at_least

ORTHOGONAL = "orthogonal"
"""Marks the group of parameters that Muon steps."""
COEFFICIENTS, ITERATIONS = (3.4445, -4.7750, 2.0315), 5
"""Of the quintic Newton-Schulz iteration: singular values come out between about 0.7 and 1.2."""


@dataclass(frozen=True)
class Muon(SGD):
    """Filters move along their orthogonalised momentum, everything else by SGD.

    The momentum of a convolution's weights, as a matrix [filters, inputs * height * width], is replaced by the nearest
    one whose singular values are about 1 (torch.optim.Muon, which takes matrices alone). The step is
    `filter_rate * sqrt(max(1, rows / columns))` times it, and does not depend on the size of the gradient.
    """

    filter_rate: float = 0.05
    """Peak learning rate of filters, which the schedule scales as it does `learning_rate`, that of all else."""
    filter_decay: float = 0.1
    """Decay of filters per step, times their learning rate."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above(self, "filter_rate")
        check_at_least(self, "filter_decay")

    def build(self, modules: Iterable[nn.Module]) -> torch.optim.Optimizer:
        """See `Optimizer.build`."""
        weights, *others = groups_of(modules, self.weight_decay, self.norm_bias_factor)
        filters = [p for p in weights["params"] if p.ndim == 4]
        weights["params"] = [p for p in weights["params"] if p.ndim != 4]
        factor = self.filter_rate / self.learning_rate
        apart = {"params": filters, "weight_decay": self.filter_decay, FACTOR: factor, ORTHOGONAL: True}
        return _Muon([weights, *others, apart], self.learning_rate, self.momentum, nesterov=self.nesterov, fused=True)


class _Muon(FusedSGD):
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        filters = list(self._filters())
        for _, weight, _ in filters:
            weight.grad = None  # so that SGD passes it by
        try:
            super().step(closure)
        finally:
            for _, weight, grad in filters:
                weight.grad = grad
        for group, weight, grad in filters:
            self._move(group, weight, grad)

    def _filters(self) -> Iterator[tuple[dict[str, Any], nn.Parameter, Tensor]]:
        for group in self.param_groups:
            for weight in group["params"] if group.get(ORTHOGONAL) else ():
                if weight.grad is not None:
                    yield group, weight, weight.grad

    @torch.no_grad()
    def _move(self, group: dict[str, Any], weight: nn.Parameter, grad: Tensor) -> None:
        state, momentum = self.state[weight], group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        average = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        update = grad.lerp(average, momentum) if group["nesterov"] else average
        step = orthogonal(update.flatten(1)).view_as(update)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(step, alpha=-group["lr"] * math.sqrt(max(1.0, len(weight) / weight[0].numel())))


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about U V^T of a matrix U S V^T, in bfloat16: five Newton-Schulz iterations."""
    x = matrix.bfloat16()
    if tall := len(x) > x.shape[1]:
        x = x.T
    x = x / x.norm().clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
