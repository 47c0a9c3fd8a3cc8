"""The functions that networks call: a kernel where one applies, else the definition.

A kernel applies to float32 and bfloat16 tensors [T, B, C] and [T, B, C, H, W] and the neurons of this library. All
else (float64, a subclass of a neuron or norm, mixed dtypes) goes through the definition, and so do wrong shapes, which
raise there. Kernels have no second derivative and say so; SPIKEDISTILL_KERNELS=reference has.
"""

import importlib

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spikedistill import neurons
from spikedistill.kernels import codes, frozen
from spikedistill.kernels.choice import TRITON, implementation
from spikedistill.kernels.cpu import ops
from spikedistill.kernels.rates import RateConv2d, RateLinear
from spikedistill.neurons import Activation, Norm, average_gradient, averages


def norm_act(
    x: Float[Tensor, "Tx B C ..."],
    norm: Norm,
    act: Activation,
    residual: Float[Tensor, "Tr B C ..."] | None = None,
    steps: int | None = None,
    *,
    residual_is_spikes: bool = False,
) -> Float[Tensor, "T B C ..."]:
    """`spikedistill.neurons.norm_act`: activation(norm(x) + residual).

    The kernel keeps x, the statistics and the residual for the backward pass and recomputes the rest. It computes in
    float32 throughout, where the definition rounds a bfloat16 current before the neuron.

    Args:
        x: Currents before the norm, with one step or T.
        norm: Its statistics are updated in training mode.
        act: The layer's neurons.
        residual: Added to the normalised current; one step or T.
        steps: T, where neither x nor the residual has it.
        residual_is_spikes: The caller's promise that the residual is 0 or 1, so that it is kept as bits.

    Raises:
        ValueError: the steps do not agree; or, in the kernel, a residual promised to be spikes is not.
    """
    chosen = implementation(x.device.type)
    on_rates = averages(act.neuron)
    if chosen == "cpu" and ops.supports(x, norm, act, residual, steps):
        if on_rates:
            return ops.norm_act_rate(x, norm, act, residual, steps)
        return ops.norm_act(x, norm, act, residual, steps, residual_is_spikes)
    if chosen == "triton" and not on_rates:
        output: Tensor = importlib.import_module(TRITON).norm_act(
            x, norm, act, residual, steps, residual_is_spikes=residual_is_spikes
        )
        return output
    return neurons.norm_act(x, norm, act, residual, steps)


def activate(
    current: Float[Tensor, "Tx B C ..."], act: Activation, steps: int | None = None
) -> Float[Tensor, "T B C ..."]:
    """`act(current, steps)`: the neurons alone, without a norm before them."""
    chosen = implementation(current.device.type)
    on_rates = averages(act.neuron)
    if chosen == "cpu" and ops.supports(current, None, act, None, steps):
        if on_rates:
            return ops.norm_act_rate(current, None, act, None, steps)
        return ops.norm_act(current, None, act, None, steps, residual_is_spikes=False)
    if chosen == "triton" and not on_rates:
        fast: Tensor = importlib.import_module(TRITON).activate(current, act, steps)
        return fast
    output: Tensor = act(current, steps)
    return output


def conv2d(x: Float[Tensor, "N Cin H W"], conv: nn.Conv2d) -> Float[Tensor, "N Cout Hout Wout"]:
    """`conv(x)`, under autocast in autocast's dtype; elsewhere the weight is cast to x's dtype.

    The kernel's backward pass is another one than PyTorch's, in bfloat16: products of matrices where they are faster.
    """
    x = x.to(_dtype(x))
    made_ready = frozen.weights()
    if made_ready is not None and x.numel() > 0 and implementation(x.device.type) == "cpu":
        y = made_ready.conv2d(x, conv)
        if y is not None:
            return y
    x, weight, bias = _in_one_dtype(x, conv.weight, conv.bias)
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        output: Tensor = conv._conv_forward(x, weight, bias)
        return output
    if x.dtype == torch.bfloat16 and _on_cpu_with_gradients(x, conv.weight):
        return ops.conv2d(x, weight, bias, *_geometry(x, conv))
    return nn.functional.conv2d(x, weight, bias, *_geometry(x, conv))


def conv2d_normed(
    x: Float[Tensor, "N Cin H W"], conv: nn.Conv2d, norm: Norm
) -> Float[Tensor, "N Cout Hout Wout"] | None:
    """`norm(conv(x))` with the norm folded into weights that `FrozenWeights` holds; None where they are not held."""
    made_ready = frozen.weights()
    if not codes.known_norm(norm) or norm.training:
        return None
    if made_ready is None or x.numel() == 0 or implementation(x.device.type) != "cpu":
        return None
    return made_ready.conv2d(x.to(_dtype(x)), conv, norm)


def spiking_conv2d(x: Float[Tensor, "N Cin H W"], conv: nn.Conv2d) -> Float[Tensor, "N Cout Hout Wout"]:
    """`conv2d(x, conv)` for x of spikes (0 or 1), which the kernel keeps as bits for the backward pass.

    Raises:
        ValueError: in the kernel, when a gradient is needed: an element is neither 0 nor 1.
    """
    if not _on_cpu_with_gradients(x, conv.weight) or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        return conv2d(x, conv)
    x, weight, bias = _in_one_dtype(x, conv.weight, conv.bias)
    return ops.spiking_conv2d(x, weight, bias, *_geometry(x, conv))


def linear(x: Float[Tensor, "*N in"], layer: nn.Linear) -> Float[Tensor, "*N out"]:
    """`layer(x)`, in the dtype of `conv2d`."""
    return nn.functional.linear(*_in_one_dtype(x, layer.weight, layer.bias))


def spiking_linear(x: Float[Tensor, "*N in"], layer: nn.Linear) -> Float[Tensor, "*N out"]:
    """`linear(x, layer)` for x of spikes (0 or 1), [N, in] or [T, N, in]; otherwise like `spiking_conv2d`."""
    if not _on_cpu_with_gradients(x, layer.weight) or x.dim() not in (2, 3):
        return linear(x, layer)
    return ops.spiking_linear(*_in_one_dtype(x, layer.weight, layer.bias))


def rate_conv2d(x: Float[Tensor, "T B Cin H W"], conv: nn.Conv2d) -> Float[Tensor, "T B Cout Hout Wout"]:
    """`conv(x)` between neurons whose backward pass is on rates; see `spikedistill.kernels.rates`."""
    if not _on_rates(x, conv.weight) or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        y = conv2d(x.flatten(0, 1), conv)
        return average_gradient(y.view(*x.shape[:2], *y.shape[1:]))
    x, weight, bias = _in_one_dtype(x, conv.weight, conv.bias)
    output: Tensor = RateConv2d.apply(x, weight, bias, *_geometry(x, conv))  # type: ignore[no-untyped-call]
    return output


def rate_linear(x: Float[Tensor, "T B in"], layer: nn.Linear) -> Float[Tensor, "T B out"]:
    """`linear(x, layer)`, likewise."""
    if not _on_rates(x, layer.weight) or x.dim() != 3:
        return average_gradient(linear(x, layer))
    output: Tensor = RateLinear.apply(  # type: ignore[no-untyped-call]
        *_in_one_dtype(x, layer.weight, layer.bias)
    )
    return output


def max_pool2d(x: Float[Tensor, "N C H W"], size: int = 2) -> Float[Tensor, "N C Hout Wout"]:
    """`torch.nn.functional.max_pool2d(x, size)`: windows that do not overlap; the kernel keeps a byte per output."""
    on_cpu = implementation(x.device.type) == "cpu"
    if on_cpu and x.dim() == 4 and x.dtype in ops.DTYPES and size <= min(15, x.shape[2], x.shape[3]) and x.numel() > 0:
        return ops.max_pool2d(x, size)
    return nn.functional.max_pool2d(x, size)


def _geometry(x: Tensor, conv: nn.Conv2d) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]:
    """Stride, padding, dilation and groups.

    Where there is one output along the width, the stride is no longer than it must be for that: of images narrower than
    the stride, oneDNN's weight gradient in bfloat16 is taken from memory that nobody wrote (torch 2.13).
    """
    assert not isinstance(conv.padding, str)
    stride, padding, dilation = conv.stride, conv.padding, conv.dilation
    left = x.shape[-1] + 2 * padding[1] - dilation[1] * (conv.kernel_size[1] - 1) - 1
    if 0 <= left < stride[1]:
        stride = (stride[0], left + 1)
    return stride, padding, dilation, conv.groups


def _on_rates(x: Tensor, weight: Tensor) -> bool:
    return torch.is_grad_enabled() and weight.requires_grad and implementation(x.device.type) != "reference"


def _on_cpu_with_gradients(x: Tensor, weight: Tensor) -> bool:
    wanted = torch.is_grad_enabled() and weight.requires_grad and x.numel() > 0
    return wanted and implementation(x.device.type) == "cpu" and _dtype(x) in ops.DTYPES


def _dtype(x: Tensor) -> torch.dtype:
    kind = x.device.type
    autocasts = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if autocasts else x.dtype


def _in_one_dtype(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    dtype = _dtype(x)
    made_ready = frozen.weights()
    if made_ready is not None:
        weight, bias = made_ready.cast(weight, dtype), None if bias is None else made_ready.cast(bias, dtype)
    return x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
