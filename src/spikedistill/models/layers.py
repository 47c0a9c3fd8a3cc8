"""PyTorch's stateless layers on [T, B, ...]: time and batch are folded, the layer applied, and unfolded. Views only.

A layer that is told which neurons feed it keeps binary spikes as bits for the backward pass, or their rates.
"""

from typing import Any

from torch import Tensor, nn

from spikedistill import kernels
from spikedistill.neurons import Neuron, Norm, averages


class Linear(nn.Linear):
    """`torch.nn.Linear` on [T, B, C]; `reads` are the neurons that feed it, None for anything else."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, reads: Neuron | None = None) -> None:
        super().__init__(in_features, out_features, bias)
        self.reads_bits = reads is not None and reads.binary
        self.reads_rates = averages(reads)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, out_features]."""
        if self.reads_rates:
            return kernels.rate_linear(x, self)
        return kernels.spiking_linear(x, self) if self.reads_bits else kernels.linear(x, self)


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` on [T, B, C, H, W]; no bias (a norm follows), weights ~ N(0, 2 / (k * k * C_out)).

    Kaiming's initialisation for ReLU by fan-out (He et al., ICCV 2015), as in the public ResNet and WRN code. `reads`
    are the neurons that feed it, None for anything else.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, reads: Neuron | None = None, **options: Any
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias=False, **options)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        self.reads_bits = reads is not None and reads.binary
        self.reads_rates = averages(reads)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, out_channels, ...]."""
        if self.reads_rates:
            return kernels.rate_conv2d(x, self)
        folded = x.flatten(0, 1)
        y = kernels.spiking_conv2d(folded, self) if self.reads_bits else kernels.conv2d(folded, self)
        return y.view(*x.shape[:2], *y.shape[1:])


class ConvNorm(nn.Sequential):
    """A convolution and its norm, with no neurons of their own after them; evaluation folds one into the other."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, reads: Neuron, **options: Any) -> None:
        super().__init__(Conv2d(in_channels, out_channels, kernel_size, reads=reads, **options), Norm(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised currents [T, B, out_channels, ...]."""
        conv, norm = self
        assert isinstance(conv, Conv2d)
        assert isinstance(norm, Norm)
        y = kernels.conv2d_normed(x.flatten(0, 1), conv, norm)
        output: Tensor = norm(conv(x)) if y is None else y.view(*x.shape[:2], *y.shape[1:])
        return output


class MaxPool2d(nn.Module):
    """Maximum over windows of `size` x `size` that do not overlap, on [T, B, C, H, W]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, C, H // size, W // size]."""
        y = kernels.max_pool2d(x.flatten(0, 1), self.size)
        return y.view(*x.shape[:2], *y.shape[1:])


class NormAct(nn.Module):
    """Batch norm, optional residual and activation of `channels` channels as one step; see `norm_act`."""

    def __init__(self, channels: int, neuron: Neuron) -> None:
        super().__init__()
        self.norm = Norm(channels)
        self.act = neuron.build()

    def forward(
        self, x: Tensor, residual: Tensor | None = None, steps: int | None = None, residual_is_spikes: bool = False
    ) -> Tensor:
        """Outputs [T, B, C, ...]; see `spikedistill.kernels.norm_act`."""
        return kernels.norm_act(x, self.norm, self.act, residual, steps, residual_is_spikes=residual_is_spikes)
