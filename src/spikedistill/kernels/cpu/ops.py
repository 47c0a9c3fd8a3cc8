"""The C++ operators in Python: what they support, their shapes (fakes), their gradients, and calls to them.

They are `torch.ops.spikedistill.*`, there after `build.load()`; `register` adds fakes and gradients, so that
`torch.compile` sees through them.
"""

import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from spikedistill.kernels import codes
from spikedistill.kernels.eligible import eligible, total_steps
from spikedistill.neurons import PLIF, Activation, Norm
from spikedistill.neurons.rate import one_step

DTYPES = (torch.float32, torch.bfloat16)
PADDING = 16
"""Bytes after packed spikes; kPadding in spikes.h."""


def supports(x: Tensor, norm: Norm | None, act: Activation, residual: Tensor | None, steps: int | None) -> bool:
    """Whether `norm_act` can do this."""
    return eligible(x, norm, act, residual, steps, DTYPES)


def norm_act(
    x: Tensor, norm: Norm | None, act: Activation, residual: Tensor | None, steps: int | None, residual_is_spikes: bool
) -> Tensor:
    """The definition's `norm_act`, or the neurons alone without a norm; for what `supports` says."""
    codes_, constants = codes.encode(act.neuron)
    w = act.w if isinstance(act.neuron, PLIF) else None
    training = norm is not None and norm.training
    y, statistics = torch.ops.spikedistill.norm_act(
        x,
        *((None, None, None, None) if norm is None else (norm.weight, norm.bias, norm.running_mean, norm.running_var)),
        residual,
        w,
        total_steps(x, act, residual, steps),
        training,
        0.0 if norm is None else norm.eps,
        codes_,
        constants,
        residual_is_spikes,
    )
    _update(norm, statistics)
    output: Tensor = y
    return output


def norm_act_rate(x: Tensor, norm: Norm | None, act: Activation, residual: Tensor | None, steps: int | None) -> Tensor:
    """`norm_act` of spiking neurons that learn nothing, with a backward pass on rates."""
    training = norm is not None and norm.training
    y, statistics, _, _ = torch.ops.spikedistill.norm_act_rate(
        x,
        *((None, None, None, None) if norm is None else (norm.weight, norm.bias, norm.running_mean, norm.running_var)),
        residual,
        total_steps(x, act, residual, steps),
        training,
        0.0 if norm is None else norm.eps,
        *codes.encode(act.neuron),
    )
    _update(norm, statistics)
    output: Tensor = y
    return output


def _update(norm: Norm | None, statistics: Tensor) -> None:
    """Move the running statistics in training mode."""
    if norm is not None and norm.training:
        with torch.no_grad():
            norm.running_mean.lerp_(statistics[0], norm.momentum)
            norm.running_var.lerp_(statistics[2], norm.momentum)


def spiking_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any) -> Tensor:
    """Convolution of spikes; `geometry` is stride, padding, dilation and groups."""
    y: Tensor = torch.ops.spikedistill.spiking_conv2d(x, weight, bias, *geometry)
    return y


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any) -> Tensor:
    """Convolution of anything, with the backward pass of `spiking_conv2d`; it keeps x as it is."""
    y: Tensor = torch.ops.spikedistill.conv2d(x, weight, bias, *geometry)
    return y


def conv2d_backward(
    grad: Tensor, x: Tensor, weight: Tensor, geometry: Sequence[Any], wanted: Sequence[bool]
) -> tuple[Tensor | None, ...]:
    """Gradients of a convolution's x, weight and bias; None where they are not wanted."""
    grads = torch.ops.spikedistill.conv2d_backward(grad, x, weight, *geometry, wanted)
    return tuple(value if want else None for value, want in zip(grads, wanted, strict=True))


def spiking_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Linear map of spikes [N, in] or [T, N, in]."""
    y: Tensor = torch.ops.spikedistill.spiking_linear(x, weight, bias)
    return y


def max_pool2d(x: Tensor, size: int) -> Tensor:
    """Maximum of each window of `size` by `size`."""
    y: Tensor = torch.ops.spikedistill.max_pool2d(x, size)[0]
    return y


_registering = threading.Lock()


def register() -> None:
    """Add fakes and gradients to the loaded operators; once per process, whichever threads ask at once."""
    with _registering:
        _register()


@cache
def _register() -> None:
    for name, fake in FAKES.items():
        torch.library.register_fake(f"spikedistill::{name}", fake)
    for name, (backward, keep) in GRADIENTS.items():
        torch.library.register_autograd(f"spikedistill::{name}", _once(backward), setup_context=keep)


def _once(backward: Callable[..., Any]) -> Callable[..., Any]:
    """`backward` that refuses to be differentiated."""

    def checked(ctx: Any, *grads: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "The CPU kernels have no second derivative, which create_graph=True asks for; set "
                "SPIKEDISTILL_KERNELS=reference."
            )
        return backward(ctx, *grads)

    return checked


# Shapes: memory in the order of rows, as in rows.h.


def _empty_rows(like: Tensor, shape: Any, dtype: torch.dtype | None = None) -> Tensor:
    order = list(range(len(shape)))
    if len(shape) >= 4:
        order = [*order[:-3], order[-2], order[-1], order[-3]]
    strides, stride = [0] * len(shape), 1
    for dim in reversed(order):
        strides[dim] = stride
        stride = stride * shape[dim]
    return like.new_empty_strided(shape, strides, dtype=dtype or like.dtype)


def _fake_norm_act(x: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    steps = args[6]
    return _empty_rows(x, (steps, *x.shape[1:])), x.new_empty((3, x.shape[2]), dtype=torch.float32)


def _fake_norm_act_backward(
    grad: Tensor,  # noqa: ARG001
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,  # noqa: ARG001
    statistics: Tensor,
    residual: Tensor | None,  # noqa: ARG001
    w: Tensor | None,
    residual_steps: Any,
    residual_grad: bool,
    *_: Any,
) -> tuple[Tensor, ...]:
    residual_ = _empty_rows(x, (residual_steps, *x.shape[1:])) if residual_grad else x.new_empty(0)
    channels = 0 if weight is None else x.shape[2]
    weight_, bias_ = statistics.new_empty(channels), statistics.new_empty(channels)
    return _empty_rows(x, x.shape), residual_, weight_, bias_, statistics.new_empty(() if w is not None else 0)


def _fake_norm_act_rate(x: Tensor, *args: Any) -> tuple[Tensor, ...]:
    shape = (1, *x.shape[1:])
    x_mean = _empty_rows(x, shape) if x.shape[0] > 1 else x.new_empty(0)
    statistics = x.new_empty((3, x.shape[2]), dtype=torch.float32)
    return _empty_rows(x, (args[5], *x.shape[1:])), statistics, x_mean, _empty_rows(x, shape)


def _fake_norm_act_rate_backward(
    grad: Tensor, slope: Tensor, x_mean: Tensor, weight: Tensor | None, statistics: Tensor, *_: Any
) -> tuple[Tensor, ...]:
    channels = 0 if weight is None else grad.shape[2]
    parameters = statistics.new_empty(channels), statistics.new_empty(channels)
    return _empty_rows(grad, grad.shape), _empty_rows(slope, x_mean.shape), *parameters


def _fake_mean_over_time(x: Tensor) -> Tensor:
    return _empty_rows(x, (1, *x.shape[1:]))


def _fake_pack(x: Tensor) -> Tensor:
    return x.new_empty((x.numel() + 7) // 8 + PADDING, dtype=torch.uint8)


def _fake_unpack(bits: Tensor, shape: Any, dtype: torch.dtype) -> Tensor:
    return _empty_rows(bits, shape, dtype)


def _fake_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    y = torch.ops.aten.convolution(x, weight, bias, stride, padding, dilation, False, [0, 0], groups)
    return _empty_rows(x, y.shape)


def _fake_conv2d_backward(grad: Tensor, x: Tensor, weight: Tensor, *geometry_and_wanted: Any) -> tuple[Tensor, ...]:
    wanted = geometry_and_wanted[-1]
    shapes = (x.shape, weight.shape, weight.shape[:1])
    return tuple(_empty_rows(grad, shape if want else (0,)) for shape, want in zip(shapes, wanted, strict=True))


def _fake_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: ARG001
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _fake_pool(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    shape = (x.shape[0], x.shape[1], x.shape[2] // size, x.shape[3] // size)
    return _empty_rows(x, shape), _empty_rows(x, shape, torch.uint8)


def _fake_pool_backward(grad: Tensor, places: Tensor, shape: Any, size: int) -> Tensor:  # noqa: ARG001
    return _empty_rows(grad, shape)


# Gradients: what is kept for the backward pass, and the backward pass.


def _keep_norm_act(ctx: Any, inputs: Any, output: Any) -> None:
    x, weight, bias, _, _, residual, w, _, ctx.training, _, ctx.codes, ctx.constants, residual_is_spikes = inputs
    ctx.residual_steps = 0 if residual is None else residual.shape[0]
    if residual is not None and residual_is_spikes:
        residual = torch.ops.spikedistill.pack_spikes(residual)
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(x, weight, bias, output[1], residual, w)


def _norm_act_backward(ctx: Any, grad: Tensor | None, _: Tensor | None) -> tuple[Any, ...]:
    if grad is None:
        return (None,) * 13
    x, weight, bias, statistics, residual, w = ctx.saved_tensors
    wants_residual = ctx.needs_input_grad[5]
    x_, residual_, weight_, bias_, w_ = torch.ops.spikedistill.norm_act_backward(
        *(grad, x, weight, bias, statistics, residual, w),
        *(ctx.residual_steps, wants_residual, ctx.training, ctx.codes, ctx.constants),
    )
    have_norm, have_w = weight is not None, w is not None
    return (
        *(x_, weight_ if have_norm else None, bias_ if have_norm else None, None, None),
        *(residual_ if wants_residual else None, w_ if have_w else None, *[None] * 6),
    )


def _keep_norm_act_rate(ctx: Any, inputs: Any, output: Any) -> None:
    x, weight, _, _, _, residual, ctx.steps, ctx.training, *_ = inputs
    _, statistics, x_mean, slope = output
    ctx.x_steps, ctx.residual_steps = x.shape[0], 0 if residual is None else residual.shape[0]
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(statistics, x_mean, slope)
    ctx.save_for_backward(x if ctx.x_steps == 1 else x_mean, slope, weight, statistics)


def _norm_act_rate_backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Any, ...]:
    if grad is None:
        return (None,) * 11
    x_mean, slope, weight, statistics = ctx.saved_tensors
    residual_, x_, weight_, bias_ = torch.ops.spikedistill.norm_act_rate_backward(
        one_step(grad, torch.ops.spikedistill.mean_over_time),
        slope,
        x_mean,
        weight,
        statistics,
        ctx.steps,
        ctx.training,
    )
    have_norm = weight is not None

    def over(one: Tensor, steps: int) -> Tensor:
        return one * ctx.steps if steps == 1 else one.expand(steps, *one.shape[1:])

    return (
        *(over(x_, ctx.x_steps), weight_ if have_norm else None, bias_ if have_norm else None, None, None),
        *(over(residual_, ctx.residual_steps) if ctx.residual_steps else None, *[None] * 5),
    )


def _keep_spiking_conv2d(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG001
    x, weight, _, *ctx.geometry = inputs
    ctx.shape, ctx.dtype = x.shape, x.dtype
    ctx.save_for_backward(torch.ops.spikedistill.pack_spikes(x), weight)


def _spiking_conv2d_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    bits, weight = ctx.saved_tensors
    return _conv2d_grads(ctx, grad, torch.ops.spikedistill.unpack_spikes(bits, ctx.shape, ctx.dtype), weight)


def _keep_conv2d(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG001
    x, weight, _, *ctx.geometry = inputs
    ctx.save_for_backward(x, weight)


def _conv2d_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _conv2d_grads(ctx, grad, *ctx.saved_tensors)


def _conv2d_grads(ctx: Any, grad: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, ...]:
    return (*conv2d_backward(grad, x, weight, ctx.geometry, ctx.needs_input_grad[:3]), None, None, None, None)


def _keep_linear(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG001
    x, weight, _ = inputs
    ctx.shape, ctx.dtype = x.shape, x.dtype
    ctx.save_for_backward(torch.ops.spikedistill.pack_spikes(x), weight)


def _linear_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    bits, weight = ctx.saved_tensors
    need_x, need_weight, need_bias = ctx.needs_input_grad
    rows = grad.flatten(0, -2)
    x = torch.ops.spikedistill.unpack_spikes(bits, ctx.shape, ctx.dtype).flatten(0, -2) if need_weight else None
    return (
        grad @ weight if need_x else None,
        None if x is None else rows.T @ x,
        rows.sum(0) if need_bias else None,
    )


def _keep_pool(ctx: Any, inputs: Any, output: Any) -> None:
    x, ctx.size = inputs
    ctx.shape = x.shape
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1])


def _pool_backward(ctx: Any, grad: Tensor | None, _: Tensor | None) -> tuple[Tensor | None, None]:
    if grad is None:
        return None, None
    (places,) = ctx.saved_tensors
    return torch.ops.spikedistill.max_pool2d_backward(grad, places, ctx.shape, ctx.size), None


FAKES: dict[str, Callable[..., Any]] = {
    "norm_act": _fake_norm_act,
    "norm_act_backward": _fake_norm_act_backward,
    "norm_act_rate": _fake_norm_act_rate,
    "norm_act_rate_backward": _fake_norm_act_rate_backward,
    "mean_over_time": _fake_mean_over_time,
    "pack_spikes": _fake_pack,
    "unpack_spikes": _fake_unpack,
    "spiking_conv2d": _fake_conv2d,
    "conv2d": _fake_conv2d,
    "conv2d_backward": _fake_conv2d_backward,
    "spiking_linear": _fake_linear,
    "max_pool2d": _fake_pool,
    "max_pool2d_backward": _fake_pool_backward,
}
GRADIENTS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "norm_act": (_norm_act_backward, _keep_norm_act),
    "norm_act_rate": (_norm_act_rate_backward, _keep_norm_act_rate),
    "spiking_conv2d": (_spiking_conv2d_backward, _keep_spiking_conv2d),
    "conv2d": (_conv2d_backward, _keep_conv2d),
    "spiking_linear": (_linear_backward, _keep_linear),
    "max_pool2d": (_pool_backward, _keep_pool),
}
