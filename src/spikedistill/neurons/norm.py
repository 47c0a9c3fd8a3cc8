"""Batch norm, optional residual and activation as one step: activation(norm(x) + residual).

This is the definition, in plain PyTorch. `spikedistill.kernels` is where faster versions of `norm_act` go.
"""

import torch
from torch import Tensor, nn

from spikedistill.neurons.neuron import Activation
from spikedistill.neurons.rate import average_gradient, averages


class Norm(nn.Module):
    """Batch norm over time and batch merged, for [T, B, C] and [T, B, C, H, W].

    Weight one, bias zero, momentum 0.1 and eps 1e-5 at the start, PyTorch's defaults. Statistics are taken over
    T * B (* H * W); a static input [1, B, ...] gives the same mean and variance as its T copies would, but for
    n / (n - 1) in the running variance, with n the number of values per channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.momentum = 0.1
        self.eps = 1e-5
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised x, of the same shape and dtype."""
        folded: Tensor = nn.functional.batch_norm(
            x.flatten(0, 1),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )
        return folded.view(x.shape)

    def extra_repr(self) -> str:
        """Number of channels."""
        return str(self.channels)


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
