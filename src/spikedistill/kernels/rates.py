"""Synapses on rates: forward in every step, backward once (see `spikedistill.neurons.rate`).

Exact where the gradient of the outputs is the same in every step, which neurons whose backward pass is on rates give.
"""

from typing import Any

import torch
from torch import Tensor

from spikedistill.kernels.choice import implementation
from spikedistill.kernels.cpu.ops import DTYPES, conv2d_backward
from spikedistill.neurons import rate


def mean_over_time(x: Tensor) -> Tensor:
    """The mean [1, B, ...] of x [T, B, ...]."""
    if implementation(x.device.type) == "cpu" and x.dtype in DTYPES and x.dim() in (3, 5):
        mean: Tensor = torch.ops.spikedistill.mean_over_time(x)
        return mean
    return rate.mean_over_time(x)


class RateConv2d(torch.autograd.Function):
    """Convolution of [T, B, C, H, W]; keeps the mean of its input over time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any) -> Tensor:
        """Outputs [T, B, ...]; `geometry` is stride, padding, dilation and groups."""
        stride, padding, dilation, groups = ctx.geometry = geometry
        ctx.steps = len(x)
        y = torch.convolution(x.flatten(0, 1), weight, bias, stride, padding, dilation, False, [0, 0], groups)
        ctx.save_for_backward(mean_over_time(x)[0], weight)
        return y.view(*x.shape[:2], *y.shape[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        """One step's backward pass, of which the parameters' gradients count T times."""
        inputs, weight = ctx.saved_tensors
        grad, wanted = rate.one_step(grads[0], mean_over_time)[0], ctx.needs_input_grad[:3]
        if implementation(grad.device.type) == "cpu" and grad.dtype in DTYPES:
            x_, weight_, bias_ = conv2d_backward(grad, inputs, weight, ctx.geometry, wanted)
        else:
            stride, padding, dilation, groups = ctx.geometry
            x_, weight_, bias_ = torch.ops.aten.convolution_backward(
                grad, inputs, weight, [len(weight)], stride, padding, dilation, False, [0, 0], groups, wanted
            )
        every = None if x_ is None else x_.expand(ctx.steps, *x_.shape)
        return every, _times(weight_, ctx.steps), _times(bias_, ctx.steps), None, None, None, None


class RateLinear(torch.autograd.Function):
    """Linear map of [T, B, in]; keeps the mean of its input over time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Outputs [T, B, out]."""
        ctx.steps = len(x)
        ctx.save_for_backward(mean_over_time(x)[0], weight)
        return torch.nn.functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """See `RateConv2d.backward`."""
        inputs, weight = ctx.saved_tensors
        need_x, need_weight, need_bias = ctx.needs_input_grad
        grad = rate.one_step(grads[0], mean_over_time)[0]
        return (
            (grad @ weight).expand(ctx.steps, *inputs.shape) if need_x else None,
            _times(grad.T @ inputs, ctx.steps) if need_weight else None,
            _times(grad.sum(0), ctx.steps) if need_bias else None,
        )


def _times(grad: Tensor | None, steps: int) -> Tensor | None:
    return None if grad is None else grad.mul_(steps)
