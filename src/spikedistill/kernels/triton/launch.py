"""From tensors to kernels: memory order, outputs, grids."""

from typing import Any

import torch
import triton  # type: ignore[import-untyped, import-not-found, unused-ignore]
from torch import Tensor

from spikedistill.kernels.triton import kernels, norm, plan
from spikedistill.kernels.triton.plan import Plan, streaming

OPTIONS: dict[str, Any] = {"num_warps": plan.WARPS, "enable_fp_fusion": False}
"""No fused multiply-add, so that the spikes of the backward pass are those of the forward pass and the definition's."""


def in_rows(x: Tensor) -> Tensor:
    """Return x [T, B, C] or [T, B, C, H, W], itself or a copy, with its memory as rows [T * B * H * W, C]."""
    if x.dim() == 5:
        return x.flatten(0, 1).contiguous(memory_format=torch.channels_last).view(x.shape)
    return x.contiguous()


def empty_rows(like: Tensor, steps: int | torch.SymInt) -> Tensor:
    """Uninitialised [steps, B, C, ...] with its memory as rows; the other dimensions are those of `like`."""
    shape = (steps, *like.shape[1:])
    order = (0, 1, 3, 4, 2) if like.dim() == 5 else (0, 1, 2)
    strides, stride = [0] * len(shape), 1
    for dim in reversed(order):
        strides[dim] = stride
        stride = stride * shape[dim]
    return like.new_empty_strided(shape, strides)


def batch_statistics(x: Tensor, eps: float, p: Plan) -> Tensor:
    """Mean, 1 / sqrt(variance + eps) and unbiased variance [3, C] of x in rows."""
    rows = x.numel() // p.channels
    p = streaming(p, x.element_size())
    grid = _summing_grid(rows, p)
    sums = x.new_empty((grid[0], 3, p.channels), dtype=torch.float32)
    result = x.new_empty((3, p.channels), dtype=torch.float32)
    norm.partial_statistics[grid](x, sums, rows, P=p, **OPTIONS)
    blocks = (triton.cdiv(p.channels, 16),)
    norm.statistics[blocks](sums, result, rows, grid[0], eps, CHANNELS=p.channels, ROWS=64, **OPTIONS)
    return result


def forward(
    x: Tensor,
    residual: Tensor | None,
    statistics: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    factor: Tensor | None,
    p: Plan,
) -> Tensor:
    """Outputs [steps, B, C, ...] for tensors in rows."""
    y = empty_rows(x, p.steps)
    rows = y.numel() // (p.steps * p.channels)
    p = streaming(p, x.element_size())
    kernels.forward[_grid(rows, p)](
        x, _or(residual, x), statistics, _or(weight, x), _or(bias, x), _or(factor, x), y, rows, P=p, **OPTIONS
    )
    return y


def backward(
    y_grad: Tensor,
    x: Tensor,
    residual: Tensor | None,
    statistics: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    factor: Tensor | None,
    wants_residual: bool,
    training: bool,
    p: Plan,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of x, the residual and the factor, and the sums [2, C] of g and g * (x - mean), for tensors in rows."""
    rows = y_grad.numel() // (p.steps * p.channels)
    grid = _summing_grid(rows, p)
    x_grad = empty_rows(x, p.x_steps)
    residual_grad = empty_rows(x, p.residual_steps) if wants_residual else None
    # In training the norm's backward pass reads g again: from the residual's gradient, which it is, or else in place.
    shared = training and residual_grad is not None and p.residual_steps == p.x_steps
    stored = triton.cdiv(p.steps, p.segment) - 1
    potentials = x.new_empty((stored, rows, p.channels), dtype=torch.float32)
    sums = x.new_empty((grid[0], 2, p.channels), dtype=torch.float32) if p.norm else None
    factor_sums = x.new_empty(grid, dtype=torch.float32) if factor is not None else None
    kernels.backward[grid](
        *(y_grad, x, _or(residual, x), statistics, _or(weight, x), _or(bias, x), _or(factor, x), potentials),
        *(None if shared else x_grad, residual_grad, _or(sums, x), _or(factor_sums, x), rows),
        NORM_GRAD=training,
        P=p,
        **OPTIONS,
    )
    total = None if sums is None else sums.sum(0)
    if training:
        rows = x.numel() // p.channels
        p = streaming(p, x.element_size())
        norm.norm_backward[_grid(rows, p)](
            *(residual_grad if shared else x_grad, x, statistics, weight, total, x_grad, rows), P=p, **OPTIONS
        )
    return x_grad, residual_grad, None if factor_sums is None else factor_sums.sum(), total


def _or(x: Tensor | None, stand_in: Tensor) -> Tensor:
    """A pointer that is not read, for an argument that is not there."""
    return stand_in if x is None else x


def _grid(rows: int, p: Plan) -> tuple[int, int]:
    return triton.cdiv(rows, p.block_rows), triton.cdiv(p.channels, p.block_channels)


def _summing_grid(rows: int, p: Plan) -> tuple[int, int]:
    row_blocks, channel_blocks = _grid(rows, p)
    return min(row_blocks, max(plan.MOST_PROGRAMS // channel_blocks, 1)), channel_blocks
