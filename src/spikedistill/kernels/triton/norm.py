# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
"""Batch statistics, and the norm's backward pass, over rows [rows, C] of all steps.

The statistics have kernels of their own: `torch.var_mean` would round those of 16-bit inputs to 16 bits or want a
copy in float32, and PyTorch's `batch_norm_stats`, which does neither, exists on GPUs only.
"""

import triton.language as tl  # type: ignore[import-untyped, import-not-found, unused-ignore]

from spikedistill.kernels.triton.jit import jit
from spikedistill.kernels.triton.tile import locate, read, zeros


@jit
def partial_statistics(x_ptr, sums_ptr, rows, P: tl.constexpr):
    """Write, per program, the sums of d = x - shift, of d^2, and the shift, to sums_ptr [programs, 3, C].

    The shift is the mean of the first tile, so that the squares do not cancel.
    """
    channel_block = tl.program_id(1)
    start, at, inside, c, valid = locate(0, channel_block, rows, P)
    shift = tl.sum(read(x_ptr, at, inside), axis=0) / tl.minimum(rows, P.block_rows)
    d_sum = zeros(P)
    d2_sum = zeros(P)
    for block in range(tl.program_id(0), tl.cdiv(rows, P.block_rows), tl.num_programs(0)):
        start, at, inside, c, valid = locate(block, channel_block, rows, P)
        d = tl.where(inside, read(x_ptr + start, at, inside) - shift[None, :], 0.0)
        d_sum += d
        d2_sum += d * d
    sums = sums_ptr + tl.program_id(0) * 3 * P.channels + c
    tl.store(sums, tl.sum(d_sum, axis=0), mask=valid)
    tl.store(sums + P.channels, tl.sum(d2_sum, axis=0), mask=valid)
    tl.store(sums + 2 * P.channels, shift, mask=valid)


@jit
def statistics(sums_ptr, statistics_ptr, rows, programs, eps, CHANNELS: tl.constexpr, ROWS: tl.constexpr):
    """Write mean, 1 / sqrt(variance + eps) and unbiased variance to statistics_ptr [3, C]; 16 channels a program."""
    c = tl.program_id(0) * 16 + tl.arange(0, 16)
    valid = c < CHANNELS
    d_sum = tl.zeros((ROWS, 16), tl.float32)
    d2_sum = tl.zeros((ROWS, 16), tl.float32)
    for first in range(0, programs, ROWS):
        p = first + tl.arange(0, ROWS)
        at = p[:, None] * (3 * CHANNELS) + c[None, :]
        inside = (p < programs)[:, None] & valid[None, :]
        d_sum += read(sums_ptr, at, inside)
        d2_sum += read(sums_ptr + CHANNELS, at, inside)
    n = tl.cast(rows, tl.float32)
    d = tl.sum(d_sum, axis=0) / n
    variance = tl.maximum(tl.sum(d2_sum, axis=0) / n - d * d, 0.0)
    tl.store(statistics_ptr + c, read(sums_ptr + 2 * CHANNELS, c, valid) + d, mask=valid)
    tl.store(statistics_ptr + CHANNELS + c, 1.0 / tl.sqrt(variance + eps), mask=valid)
    tl.store(statistics_ptr + 2 * CHANNELS + c, variance * (n / (n - 1.0)), mask=valid)


@jit
def norm_backward(g_ptr, x_ptr, statistics_ptr, weight_ptr, sums_ptr, x_grad_ptr, rows, P: tl.constexpr):
    """Write dx = scale * (g - mean(g) - (x - mean) * invstd^2 * mean(g * (x - mean))).

    g is the gradient of the norm's output, sums_ptr [2, C] has the sums of g and g * (x - mean). dx may be g itself.
    """
    start, at, inside, c, valid = locate(tl.program_id(0), tl.program_id(1), rows, P)
    invstd = read(statistics_ptr + P.channels, c, valid)
    scale = invstd * read(weight_ptr, c, valid)
    offset = read(sums_ptr, c, valid) / rows
    tilt = invstd * invstd * (read(sums_ptr + P.channels, c, valid) / rows)
    g = read(g_ptr + start, at, inside) - offset[None, :]
    centred = read(x_ptr + start, at, inside) - read(statistics_ptr, c, valid)[None, :]
    tl.store(x_grad_ptr + start + at, scale[None, :] * (g - centred * tilt[None, :]), mask=inside)
