# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
"""Norm + residual + neuron: one kernel forward, one backward through time.

A program owns a tile of neurons and goes through all time steps, so that the state stays in registers. The backward
pass computes the potentials again. It holds those of one segment of `P.segment` steps; of a longer sequence it
first stores the potential at the start of each segment but the first, and then goes through the segments from the
last to the first.
"""

import triton.language as tl  # type: ignore[import-untyped, import-not-found, unused-ignore]

from spikedistill.kernels.triton.jit import jit
from spikedistill.kernels.triton.neuron import (
    after_reset,
    charge_gradient,
    charged,
    factor_slope,
    input_gradients,
    output,
)
from spikedistill.kernels.triton.tile import affine, charge_factor, held_current, locate, read, step_current, zeros


@jit
def forward(x_ptr, residual_ptr, statistics_ptr, weight_ptr, bias_ptr, factor_ptr, y_ptr, rows, P: tl.constexpr):
    """y_t of neuron(scale * x_t + shift + residual_t)."""
    start, at, inside, c, valid = locate(tl.program_id(0), tl.program_id(1), rows, P)
    scale, shift = affine(statistics_ptr, weight_ptr, bias_ptr, c, valid, P)
    f = charge_factor(factor_ptr, P)
    step = tl.cast(rows, tl.int64) * P.channels
    held = held_current(x_ptr + start, residual_ptr + start, at, inside, scale, shift, P)
    v = zeros(P) + P.start
    SEGMENT: tl.constexpr = P.segment
    for first in range(0, P.steps, P.segment):
        for k in tl.static_range(SEGMENT):
            mask = inside & (first + k < P.steps)
            here = start + (first + k) * step
            h = charged(v, step_current(held, x_ptr + here, residual_ptr + here, at, mask, scale, shift, P), f, P)
            v = after_reset(h, P)
            tl.store(y_ptr + here + at, output(h, P), mask=mask)


@jit
def recompute(v, first, held, x_ptr, residual_ptr, start, at, inside, scale, shift, f, step, P: tl.constexpr):
    """Charges h of the segment's steps, a tuple, and the potential after it; v is the potential before it."""
    SEGMENT: tl.constexpr = P.segment
    charges = ()
    for k in tl.static_range(SEGMENT):
        mask = inside & (first + k < P.steps)
        here = start + (first + k) * step
        x = step_current(held, x_ptr + here, residual_ptr + here, at, mask, scale, shift, P)
        charges = charges + (charged(v, x, f, P),)  # type: ignore[assignment]  # noqa: RUF005
        v = after_reset(charges[k], P)
    return charges, v


@jit
def store_potentials(v_ptr, held, x_ptr, residual_ptr, start, at, inside, scale, shift, f, step, P: tl.constexpr):
    """Write the potential at the start of each segment but the first to v_ptr [segments - 1, rows, C]."""
    v = zeros(P) + P.start
    for first in range(0, P.steps - P.segment, P.segment):
        _, v = recompute(v, first, held, x_ptr, residual_ptr, start, at, inside, scale, shift, f, step, P)
        tl.store(v_ptr + start + (first // P.segment) * step + at, v, mask=inside)
    tl.debug_barrier()  # what one thread stored, another may load


@jit
def segment_start(v_ptr, first, start, at, inside, step, P: tl.constexpr):
    """The potential before the segment that begins at step `first`: the first one, or as `store_potentials` left it."""
    v = zeros(P) + P.start
    if P.steps > P.segment:
        stored = v_ptr + start + (first // P.segment - 1) * step
        v = tl.load(stored + at, mask=inside & (first > 0), other=P.start)
    return v


@jit
def finish_x(g, g_sum, gx_sum, x_ptr, x_grad_ptr, at, mask, scale, mean, NORM_GRAD: tl.constexpr, P: tl.constexpr):
    """Add the current's gradient g at x to its sums, which are returned, and store that of x."""
    if P.norm:
        g_sum += g
        gx_sum += g * (read(x_ptr, at, mask) - mean)
    if x_grad_ptr is not None:
        tl.store(x_grad_ptr + at, g if NORM_GRAD else g * scale[None, :], mask=mask)
    return g_sum, gx_sum


@jit
def store_sums(sums_ptr, factor_sums_ptr, g_sum, gx_sum, f_sum, rows, P: tl.constexpr):
    """Write this program's sums."""
    _, _, _, c, valid = locate(0, tl.program_id(1), rows, P)
    if P.norm:
        sums = sums_ptr + tl.program_id(0) * 2 * P.channels
        tl.store(sums + c, tl.sum(g_sum, axis=0), mask=valid)
        tl.store(sums + P.channels + c, tl.sum(gx_sum, axis=0), mask=valid)
    if P.factor is None:
        tl.store(factor_sums_ptr + tl.program_id(0) * tl.num_programs(1) + tl.program_id(1), tl.sum(f_sum))


@jit
def backward(
    y_grad_ptr,
    x_ptr,
    residual_ptr,
    statistics_ptr,
    weight_ptr,
    bias_ptr,
    factor_ptr,
    v_ptr,
    x_grad_ptr,
    residual_grad_ptr,
    sums_ptr,
    factor_sums_ptr,
    rows,
    NORM_GRAD: tl.constexpr,
    P: tl.constexpr,
):
    """Back through time: the gradient g of the current, and its sums.

    h_grad_t = dy/dh * y_grad_t + dv/dh * v_grad_t; g_t = dh/dx * h_grad_t; v_grad_{t-1} = dh/dv * h_grad_t.

    Writes g to residual_grad_ptr, if given, and to x_grad_ptr, if given: as it is where the norm's backward pass is
    to follow (NORM_GRAD), else times the norm's scale; summed over the steps where the tensor has one step. sums_ptr
    [programs, 2, C] gets the sums of g and g * (x - mean), factor_sums_ptr [programs, channel blocks] the
    gradient of the factor.
    """
    channel_block = tl.program_id(1)
    SEGMENT: tl.constexpr = P.segment
    step = tl.cast(rows, tl.int64) * P.channels
    f = charge_factor(factor_ptr, P)
    g_sum = zeros(P)
    gx_sum = zeros(P)
    f_sum = zeros(P)
    for block in range(tl.program_id(0), tl.cdiv(rows, P.block_rows), tl.num_programs(0)):
        start, at, inside, c, valid = locate(block, channel_block, rows, P)
        scale, shift = affine(statistics_ptr, weight_ptr, bias_ptr, c, valid, P)
        mean = zeros(P)
        if P.norm:
            mean += read(statistics_ptr, c, valid)[None, :]
        held = held_current(x_ptr + start, residual_ptr + start, at, inside, scale, shift, P)
        if P.steps > P.segment:
            store_potentials(v_ptr, held, x_ptr, residual_ptr, start, at, inside, scale, shift, f, step, P)
        v_grad = zeros(P)
        g_total = zeros(P)
        for ends in range(0, P.steps, P.segment):
            first = (tl.cdiv(P.steps, P.segment) - 1) * P.segment - ends
            v = segment_start(v_ptr, first, start, at, inside, step, P)
            charges, _ = recompute(v, first, held, x_ptr, residual_ptr, start, at, inside, scale, shift, f, step, P)
            for k in tl.static_range(SEGMENT - 1, -1, -1):
                mask = inside & (first + k < P.steps)
                here = start + (first + k) * step
                h_grad = charge_gradient(charges[k], read(y_grad_ptr + here, at, mask), v_grad, P)
                if P.factor is None:
                    before = v
                    if k > 0:
                        before = after_reset(charges[k - 1], P)
                    f_sum += h_grad * factor_slope(charges[k], before, f, P)
                g, v_grad = input_gradients(h_grad, f, P)
                g_total += g
                if P.x_steps > 1:
                    to = None if x_grad_ptr is None else x_grad_ptr + here
                    g_sum, gx_sum = finish_x(g, g_sum, gx_sum, x_ptr + here, to, at, mask, scale, mean, NORM_GRAD, P)
                if P.residual_steps > 1 and residual_grad_ptr is not None:
                    tl.store(residual_grad_ptr + here + at, g, mask=mask)
        if P.x_steps == 1:
            to = None if x_grad_ptr is None else x_grad_ptr + start
            g_sum, gx_sum = finish_x(g_total, g_sum, gx_sum, x_ptr + start, to, at, inside, scale, mean, NORM_GRAD, P)
        if P.residual_steps == 1 and residual_grad_ptr is not None:
            tl.store(residual_grad_ptr + start + at, g_total, mask=inside)
    store_sums(sums_ptr, factor_sums_ptr, g_sum, gx_sum, f_sum, rows, P)
