"""A layer of torch, or of this library's ANN, as the layer on [T, B, ...] that has its place in a twin.

Parameters and buffers are the layer's own tensors. What has no counterpart in `spikedistill.models.layers` stays what
it is, on time and batch folded into one axis.
"""

from collections.abc import Sequence
from typing import Any

from torch import nn

from spikedistill.models.folded import folded
from spikedistill.models.layers import Conv2d, ConvNorm, Flatten, Linear, MaxPool2d, NormAct, Reshape
from spikedistill.models.signals import Signal
from spikedistill.models.twin.known import NORMS
from spikedistill.neurons import BatchNorm, Neuron, Norm


def converted(layer: nn.Module, signals: Sequence[Signal], neuron: Neuron) -> nn.Module:
    """Return the layer that works on [T, B, ...].

    Args:
        layer: It may be changed itself.
        signals: What it reads, in each of its calls.
        neuron: Those that what it reads comes from, if that is spikes.
    """
    if type(layer) in (nn.Conv2d, nn.Linear, Conv2d, Linear) and not _hooked(layer):
        return synapses(layer, signals, neuron)  # type: ignore[arg-type]
    if type(layer) is nn.MaxPool2d:
        pool = max_pool(
            None, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode, layer.return_indices
        )
        return pool or _folded(layer)
    if as_norm(layer):
        return norm_of(layer)
    if isinstance(layer, ConvNorm):
        layer[0] = converted(layer[0], signals, neuron)
        return layer
    return layer if type(layer).__module__.startswith("spikedistill.") else _folded(layer)


def synapses(layer: nn.Conv2d | nn.Linear, signals: Sequence[Signal], neuron: Neuron) -> Conv2d | Linear:
    """Return a convolution or linear layer that knows what it reads."""
    reads = None if "dense" in signals else neuron
    known: dict[str, Any] = {"reads": reads, "summed": "graded" in signals, "device": "meta"}
    made: Conv2d | Linear
    if isinstance(layer, nn.Linear):
        made = Linear(layer.in_features, layer.out_features, **known)
    else:
        made = Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
            padding_mode=layer.padding_mode,
            **known,
        )
    made.weight, made.bias = layer.weight, layer.bias
    return made


def as_norm(layer: nn.Module | None) -> bool:
    """Whether a layer is a batch norm such as this library has."""
    if type(layer) not in NORMS or _hooked(layer):
        return False
    assert isinstance(layer, nn.modules.batchnorm._BatchNorm)
    momentum = layer.momentum if layer.momentum is not None else -1.0
    return layer.affine and layer.track_running_stats and layer.eps > 0 and 0 <= momentum <= 1


def norm_of(layer: nn.Module) -> Norm:
    """Return this library's norm with a batch norm's numbers."""
    assert isinstance(layer, nn.modules.batchnorm._BatchNorm)
    assert layer.momentum is not None
    norm = Norm(layer.num_features, BatchNorm(momentum=float(layer.momentum), eps=float(layer.eps)))
    norm.weight, norm.bias = layer.weight, layer.bias
    assert layer.running_mean is not None
    assert layer.running_var is not None
    norm.running_mean, norm.running_var = layer.running_mean, layer.running_var
    return norm


def neurons_of(neuron: Neuron, norm: nn.Module | None) -> NormAct:
    """Return neurons, after a norm if there is one."""
    made = NormAct(0, neuron, None)
    if norm is not None:
        made.norm = norm
    return made


def reshaped(shape: tuple[int, ...]) -> nn.Module:
    """Return the layer that gives each image's numbers another shape."""
    return Flatten() if len(shape) == 1 else Reshape(shape)


def max_pool(
    input: object,  # noqa: ARG001
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> MaxPool2d | None:
    """Return the pool with the arguments of `torch.nn.functional.max_pool2d`; None where this library has none."""
    numbers = [_one(value) for value in (kernel_size, stride or kernel_size, padding, dilation)]
    size, step, edge, apart = numbers
    if None in numbers or apart != 1 or ceil_mode or return_indices:
        return None
    assert size is not None
    assert edge is not None
    return MaxPool2d(size) if (step, edge) == (size, 0) else MaxPool2d(size, stride=step, padding=edge)


def _one(value: Any) -> int | None:
    """A number that stands for both directions."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    return both[0] if len(both) == 2 and type(both[0]) is int and both[0] == both[1] else None


def _folded(layer: nn.Module) -> nn.Module:
    layer.__class__ = folded(type(layer))  # type: ignore[arg-type]
    return layer


def _hooked(layer: nn.Module | None) -> bool:
    """Whether a layer is more than its class says: weights that are made of others, say."""
    return layer is not None and bool(layer._forward_pre_hooks or layer._forward_hooks)
