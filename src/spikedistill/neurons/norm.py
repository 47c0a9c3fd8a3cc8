"""Norms, and norm, optional residual and activation as one step: activation(norm(x) + residual).

This is the definition, in plain PyTorch. `spikedistill.kernels` is where faster versions of `norm_act` go.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from spikedistill.neurons.neuron import Activation
from spikedistill.neurons.rate import average_gradient, averages
from spikedistill.values.checks import check_above, check_finite, check_share


@dataclass(frozen=True)
class Normalisation:
    """Base of all ways to normalise currents: a value beside the neuron, from which each layer builds its module."""

    abstract: ClassVar[bool] = True

    def build(self, channels: int) -> "Norm":
        """A module for one layer of `channels` channels."""
        raise NotImplementedError

    def of_branch(self) -> "Normalisation":
        """The norm of a layer whose output a residual block adds to another branch before the neurons: the same."""
        return self


@dataclass(frozen=True)
class BatchNorm(Normalisation):
    """Batch norm over time and batch merged (Ioffe and Szegedy, ICML 2015); the defaults are PyTorch's.

    tdBN (Zheng et al., AAAI 2021) is this norm with `start` = threshold and `branch` = 1 / sqrt(2) = 0.7071: it
    multiplies the normalised current by alpha and the threshold, and then by a learned factor that starts at 1. alpha
    is 1, and 1 / sqrt(2) for the norms whose outputs a residual block adds, so that the sum varies as much as any other
    current. Here one learned weight is that product, so its gradient is 1 / start of tdBN's, and a step of SGD changes
    the product by 1 / start^2 as much.
    """

    momentum: float = 0.1
    """Weight of the new batch in the running statistics."""
    eps: float = 1e-5
    """Added to the variance."""
    start: float = 1.0
    """Weight of every channel before training; its bias is 0."""
    branch: float = field(default=1.0, metadata={"added": True})
    """Factor of `start` where a residual block adds the norm's output to another branch. `resnet`, `cifar-resnet` and
    `resnet19` do; the other networks add what no norm gives."""

    def __post_init__(self) -> None:
        check_share(self, "momentum")
        check_above(self, "eps")
        check_finite(self, "start", "branch")

    def build(self, channels: int) -> "Norm":
        """See `Normalisation.build`."""
        return Norm(channels, self)

    def of_branch(self) -> "BatchNorm":
        """See `Normalisation.of_branch`."""
        return self if self.branch == 1.0 else replace(self, start=self.start * self.branch, branch=1.0)


class Norm(nn.Module):
    """One layer's `BatchNorm`, for [T, B, C] and [T, B, C, H, W].

    Statistics are taken over T * B (* H * W); a static input [1, B, ...] gives the same mean and variance as its T
    copies would, but for n / (n - 1) in the running variance, with n the number of values per channel.
    """

    def __init__(self, channels: int, kind: BatchNorm = BatchNorm()) -> None:
        super().__init__()
        self.channels = channels
        self.kind = kind
        self.momentum = kind.momentum
        self.eps = kind.eps
        self.weight = nn.Parameter(torch.full((channels,), kind.start))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised x, of the same shape and dtype."""
        folded = x.flatten(0, 1)
        if folded.dim() == 4 and 1 in folded.shape:
            # A size of 1 may have any stride, which torch's backward pass on CPUs misreads (docs/torch-batch-norm.md);
            # rows [T*B*H*W, C] leave it none.
            rows = folded.permute(0, 2, 3, 1)
            output = self._batch_norm(rows.flatten(0, 2)).view(rows.shape).permute(0, 3, 1, 2)
        else:
            output = self._batch_norm(folded)
        return output.view(x.shape)

    def _batch_norm(self, folded: Tensor) -> Tensor:
        return nn.functional.batch_norm(
            folded,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )

    def extra_repr(self) -> str:
        """Number of channels, and the kind."""
        return f"{self.channels}, {self.kind}"


def norm_act(
    x: Tensor, norm: Norm, act: Activation, residual: Tensor | None = None, steps: int | None = None
) -> Tensor:
    """Outputs [T, B, C, ...] of activation(norm(x) + residual).

    Args:
        x: Currents before the norm, [T, B, C, ...], or [1, B, C, ...] for a static input that is held.
        norm: Its statistics are updated in training mode.
        act: The layer's neurons.
        residual: Added to the normalised current; shaped like x or like the output.
        steps: T, where x has one step.
    """
    current = norm(average_gradient(x) if averages(act.neuron) else x)
    if residual is not None:
        current = current + residual
    output: Tensor = act(current, steps)
    return output
