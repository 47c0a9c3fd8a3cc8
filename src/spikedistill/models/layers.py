"""What networks are made of, on [T, B, ...]. Stateless layers fold time and batch, which copies nothing.

All that a network does is one of these, called as a module, so that hooks see it (`taps`, `trace`). A layer that is
told which neurons feed it (`reads`) keeps binary spikes as bits for the backward pass, or their rates. Sums and means
of spikes (`Add`, `AvgPool2d`, `GlobalMean`) are no bits; what reads them is told so (`summed`).

Residuals: `NormAct(...)(x, residual=y)` adds currents before the neuron (ResNet); `Add` adds currents that a later
norm reads (WRN), or spikes after the neuron (SEW-ResNet).
"""

from typing import Any

import torch
from torch import Tensor, nn

from spikedistill import kernels
from spikedistill.models.taps import watched
from spikedistill.neurons import BatchNorm, Neuron, Norm, Normalisation, average_gradient, averages, spread
from spikedistill.randomness import current_draws


class Linear(nn.Linear):
    """`torch.nn.Linear` on [T, B, C].

    `reads` are the neurons that feed it, None for anything else; `summed` says that sums or means of their outputs do.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        reads: Neuron | None = None,
        summed: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(in_features, out_features, bias, **options)
        self.reads_bits = reads is not None and reads.binary and not summed
        self.reads = reads

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, out_features]."""
        if averages(self.reads):
            return kernels.rate_linear(x, self)
        return kernels.spiking_linear(x, self) if self.reads_bits else kernels.linear(x, self)


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` on [T, B, C, H, W]; no bias (a norm follows), weights ~ N(0, 2 / (k * k * C_out)).

    Kaiming's initialisation for ReLU by fan-out (He et al., ICCV 2015), as in the public ResNet and WRN code. `reads`
    are the neurons that feed it, None for anything else; `summed` says that sums or means of their outputs do.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        reads: Neuron | None = None,
        summed: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias=False, **options)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        self.reads_bits = reads is not None and reads.binary and not summed
        self.reads = reads

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, out_channels, ...]."""
        if averages(self.reads):
            return kernels.rate_conv2d(x, self)
        folded = x.flatten(0, 1)
        y = kernels.spiking_conv2d(folded, self) if self.reads_bits else kernels.conv2d(folded, self)
        return y.view(*x.shape[:2], *y.shape[1:])


class ConvNorm(nn.Sequential):
    """A convolution and its norm, with no neurons of their own after them; evaluation folds one into the other.

    One that is tapped inside does one after the other.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        reads: Neuron,
        norm: Normalisation = BatchNorm(),
        **options: Any,
    ) -> None:
        conv = Conv2d(in_channels, out_channels, kernel_size, reads=reads, **options)
        super().__init__(conv, norm.build(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised currents [T, B, out_channels, ...]."""
        conv, norm = self
        assert isinstance(conv, Conv2d)
        assert isinstance(norm, Norm)
        y = None if watched(conv, norm) else kernels.conv2d_normed(x.flatten(0, 1), conv, norm)
        output: Tensor = norm(conv(x)) if y is None else y.view(*x.shape[:2], *y.shape[1:])
        return output


class MaxPool2d(nn.Module):
    """Maximum over windows of `size` x `size` on [T, B, C, H, W], which do not overlap unless a `stride` is given."""

    def __init__(self, size: int, *, stride: int | None = None, padding: int = 0) -> None:
        super().__init__()
        self.size = size
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, C, H // size, W // size], or as many as `torch.nn.functional.max_pool2d` has."""
        folded = x.flatten(0, 1)
        if self.stride is None and self.padding == 0:
            y = kernels.max_pool2d(folded, self.size)
        else:
            y = nn.functional.max_pool2d(folded, self.size, self.stride, self.padding)
        return y.view(*x.shape[:2], *y.shape[1:])


class AvgPool2d(nn.Module):
    """Mean over windows of `size` x `size` that do not overlap, on [T, B, C, H, W]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, C, H // size, W // size]."""
        y = nn.functional.avg_pool2d(x.flatten(0, 1), self.size)
        return y.view(*x.shape[:2], *y.shape[1:])


class GlobalMean(nn.Module):
    """Mean over all pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, C] of x [T, B, C, H, W]."""
        return x.mean(dim=(3, 4))


class Flatten(nn.Module):
    """Channels and pixels in one axis."""

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, C * H * W] of x [T, B, C, H, W]."""
        return x.flatten(2)


class Reshape(nn.Module):
    """Another shape of each image's numbers."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, *shape] of x [T, B, ...]."""
        return x.reshape(*x.shape[:2], *self.shape)


class Add(nn.Module):
    """Sum of two branches: of currents, or of spikes, which then are 0, 1, 2 or more."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Outputs [T, B, ...] of two of that shape; one of them may have one step, which is held."""
        return x + y


class PadChannels(nn.Module):
    """Zeros as further channels, so that there are `channels` of them: a shortcut without parameters."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, channels, H, W] of x with at most as many channels."""
        return nn.functional.pad(x, (0, 0, 0, 0, 0, self.channels - x.shape[2]))


class Dropout(nn.Module):
    """Zeros with probability `p` while it trains, the rest divided by 1 - p; the same places in all time steps.

    In a training of this library the places are functions of (seed, epoch, index) and of `stream`, a name that no other
    layer of the network has; elsewhere they are torch's random numbers. What reads the output is told that it is
    `summed`: it is no bits. Places that differ in the last `shared` axes alone are dropped together: two axes are
    those of a whole channel.
    """

    def __init__(self, p: float, stream: str, shared: int = 0) -> None:
        super().__init__()
        self.p = p
        self.stream = stream
        self.shared = shared

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, ...] of that shape."""
        if not self.training or self.p == 0.0:
            return x
        draws = current_draws()
        _, batch, *place = *x.shape[: x.dim() - self.shared], *[1] * self.shared
        drawn = torch.rand(batch, *place, device=x.device) if draws is None else draws.uniform(self.stream, *place)
        y: Tensor = x * ((drawn >= self.p) / (1.0 - self.p)).to(x.dtype)
        return y


class Vote(nn.Module):
    """Mean of each `voters` channels in a row (the voting layer of Fang et al., ICCV 2021)."""

    def __init__(self, voters: int) -> None:
        super().__init__()
        self.voters = voters

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, C / voters] of x [T, B, C]."""
        y: Tensor = x.unflatten(2, (-1, self.voters)).mean(-1)
        return y


class NormAct(nn.Module):
    """Norm, optional residual and activation of `channels` channels as one step; see `norm_act`.

    Without a norm (None) its `norm` is an identity.

    Its modules can be tapped: `norm`; `current`, which returns what enters the neurons in each of T steps, the norm's
    output with the residual; and `act`. While one of them is, the step is made in its parts, with the same numbers
    within the kernels' tolerance.
    """

    def __init__(self, channels: int, neuron: Neuron, norm: Normalisation | None = BatchNorm()) -> None:
        super().__init__()
        self.norm: nn.Module = nn.Identity() if norm is None else norm.build(channels)
        self.current = nn.Identity()
        self.act = neuron.build()

    def forward(
        self, x: Tensor, residual: Tensor | None = None, steps: int | None = None, residual_is_spikes: bool = False
    ) -> Tensor:
        """Outputs [T, B, C, ...]; see `spikedistill.kernels.norm_act`."""
        modules: dict[str, Any] = self._modules  # as attributes they take a microsecond each, which counts at batch 1
        norm, current, act = modules["norm"], modules["current"], modules["act"]
        if watched(norm, current, act):
            return self._in_parts(x, residual, steps)
        if isinstance(norm, nn.Identity):
            return kernels.activate(x if residual is None else x + residual, act, steps)
        return kernels.norm_act(x, norm, act, residual, steps, residual_is_spikes=residual_is_spikes)

    def _in_parts(self, x: Tensor, residual: Tensor | None, steps: int | None) -> Tensor:
        current = self.norm(average_gradient(x) if averages(self.act.neuron) else x)
        current = current if residual is None else current + residual
        current = self.current(spread(current, steps if self.act.neuron.spiking else None))
        output: Tensor = self.act(current) if watched(self.act) else kernels.activate(current, self.act)
        return output
