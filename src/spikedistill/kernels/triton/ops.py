"""The Triton kernels as operators of PyTorch: fakes and gradients, so that `torch.compile` keeps them as one node.

They are `custom_op`s, not `triton_op`s: the kernels are fused already, so there is nothing for the compiler to see
inside, and Triton's interpreter, in which they are tested without a GPU, cannot be traced.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from spikedistill.kernels.triton import launch
from spikedistill.kernels.triton.plan import make_plan


@torch.library.custom_op("spikedistill::triton_norm_act", mutates_args=())
def norm_act(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    residual: Tensor | None,
    factor: Tensor | None,
    steps: int,
    training: bool,
    eps: float,
    codes: Sequence[int],
    constants: Sequence[float],
) -> tuple[Tensor, Tensor]:
    """Outputs [steps, B, C, ...], and statistics [3, C]: mean, 1 / deviation, variance ([3, 0] without a norm).

    The neuron comes in the numbers of `spikedistill.kernels.codes`; `factor` is PLIF's sigmoid(w). No `weight`, no
    norm. The variance is the unbiased one in training.
    """
    x = launch.in_rows(x)
    residual = None if residual is None else launch.in_rows(residual)
    residual_steps = 0 if residual is None else residual.shape[0]
    plan = make_plan(x, steps, residual_steps, weight is not None, factor is not None, codes, constants)
    with torch.cuda.device_of(x):
        if weight is None:
            statistics = x.new_empty((3, 0), dtype=torch.float32)
        elif training:
            statistics = launch.batch_statistics(x, eps, plan)
        else:
            assert running_mean is not None
            assert running_var is not None
            statistics = torch.stack([running_mean, torch.rsqrt(running_var + eps), running_var])
        return launch.forward(x, residual, statistics, weight, bias, factor, plan), statistics


@norm_act.register_fake
def _(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,  # noqa: ARG001
    running_mean: Tensor | None,  # noqa: ARG001
    running_var: Tensor | None,  # noqa: ARG001
    residual: Tensor | None,  # noqa: ARG001
    factor: Tensor | None,  # noqa: ARG001
    steps: int | torch.SymInt,
    *_: Any,
) -> tuple[Tensor, Tensor]:
    channels = 0 if weight is None else x.shape[2]
    return launch.empty_rows(x, steps), x.new_empty((3, channels), dtype=torch.float32)


@torch.library.custom_op("spikedistill::triton_norm_act_backward", mutates_args=())
def norm_act_backward(
    y_grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    statistics: Tensor,
    residual: Tensor | None,
    factor: Tensor | None,
    wants_residual: bool,
    training: bool,
    codes: Sequence[int],
    constants: Sequence[float],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, weight, bias, residual and factor; empty where there is no such input or it is not wanted."""
    y_grad, x = launch.in_rows(y_grad.to(x.dtype)), launch.in_rows(x)
    residual = None if residual is None else launch.in_rows(residual)
    residual_steps = 0 if residual is None else residual.shape[0]
    plan = make_plan(x, y_grad.shape[0], residual_steps, weight is not None, factor is not None, codes, constants)
    with torch.cuda.device_of(x):
        x_grad, residual_grad, factor_grad, sums = launch.backward(
            y_grad, x, residual, statistics, weight, bias, factor, wants_residual, training, plan
        )
        nothing = statistics.new_empty(0)
        return (
            x_grad,
            nothing if sums is None else sums[1] * statistics[1],
            statistics.new_empty(0) if sums is None else sums[0],
            x.new_empty(0) if residual_grad is None else residual_grad,
            statistics.new_empty(0) if factor_grad is None else factor_grad,
        )


@norm_act_backward.register_fake
def _(
    y_grad: Tensor,  # noqa: ARG001
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,  # noqa: ARG001
    statistics: Tensor,
    residual: Tensor | None,
    factor: Tensor | None,
    wants_residual: bool,
    *_: Any,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    channels = 0 if weight is None else x.shape[2]
    return (
        launch.empty_rows(x, x.shape[0]),
        statistics.new_empty(channels),
        statistics.new_empty(channels),
        launch.empty_rows(x, residual.shape[0]) if residual is not None and wants_residual else x.new_empty(0),
        statistics.new_empty(() if factor is not None else 0),
    )


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    x, weight, bias, _, _, residual, factor, _, ctx.training, _, ctx.codes, ctx.constants = inputs
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(x, weight, bias, output[1], residual, factor)


def _backward(ctx: Any, y_grad: Tensor | None, _: Tensor | None) -> tuple[Any, ...]:
    if y_grad is None:
        return (None,) * 12
    if torch.is_grad_enabled():
        raise RuntimeError(
            "The Triton kernels have no second derivative, which create_graph=True asks for; set "
            "SPIKEDISTILL_KERNELS=reference."
        )
    saved = ctx.saved_tensors
    x, weight, bias, residual, factor = norm_act_backward(
        y_grad, *saved, ctx.needs_input_grad[5], ctx.training, ctx.codes, ctx.constants
    )
    grads = [x, weight, bias, None, None, residual, factor]
    wanted = ctx.needs_input_grad
    return (*(grad if want else None for grad, want in zip(grads, wanted, strict=False)), *[None] * 5)


norm_act.register_autograd(_backward, setup_context=_keep)
