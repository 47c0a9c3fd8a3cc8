"""PyTorch's stateless layers on [T, B, ...]: time and batch are folded, the layer applied, and unfolded. Views only."""

from typing import Any

from torch import Tensor, nn

from spikedistill.neurons import Neuron, Norm, norm_act


class _Folded(nn.Module):
    """Mixed in before a layer of torch.nn."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to every step of x [T, B, ...]."""
        y: Tensor = super().forward(x.flatten(0, 1))
        return y.unflatten(0, x.shape[:2])  # type: ignore[no-untyped-call, no-any-return]


class Linear(_Folded, nn.Linear):
    """`torch.nn.Linear` on [T, B, C]."""


class Conv2d(_Folded, nn.Conv2d):
    """`torch.nn.Conv2d` on [T, B, C, H, W]; no bias (a norm follows), weights ~ N(0, 2 / (k * k * C_out)).

    Kaiming's initialisation for ReLU by fan-out (He et al., ICCV 2015), as in the public ResNet and WRN code.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, **options: Any) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias=False, **options)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")


class MaxPool2d(_Folded, nn.MaxPool2d):
    """`torch.nn.MaxPool2d` on [T, B, C, H, W]."""


class NormAct(nn.Module):
    """Batch norm, optional residual and activation of `channels` channels as one step; see `norm_act`."""

    def __init__(self, channels: int, neuron: Neuron) -> None:
        super().__init__()
        self.norm = Norm(channels)
        self.act = neuron.build()

    def forward(self, x: Tensor, residual: Tensor | None = None, steps: int | None = None) -> Tensor:
        """Outputs [T, B, C, ...]; see `spikedistill.neurons.norm_act`."""
        return norm_act(x, self.norm, self.act, residual, steps)
