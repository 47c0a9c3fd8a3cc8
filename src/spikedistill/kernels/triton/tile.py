# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
"""What the kernels share: where a tile lies in memory, the norm's scale and shift, and the current of a step."""

import triton.language as tl  # type: ignore[import-untyped, import-not-found, unused-ignore]

from spikedistill.kernels.triton.jit import jit


@jit
def locate(block, channel_block, rows, P: tl.constexpr):
    """Return the tile's offset (64 bits), the offsets within it (32 bits), the mask, its channels and their mask."""
    r = tl.arange(0, P.block_rows)
    c = channel_block * P.block_channels + tl.arange(0, P.block_channels)
    start = tl.cast(block, tl.int64) * P.block_rows
    valid = c < P.channels
    inside = (r < rows - start)[:, None] & valid[None, :]
    return start * P.channels, r[:, None] * P.channels + c[None, :], inside, c, valid


@jit
def zeros(P: tl.constexpr):
    """A tile of zeros."""
    return tl.full((P.block_rows, P.block_channels), 0.0, tl.float32)


@jit
def read(ptr, at, mask):
    """Values in float32; 0 outside of the mask."""
    return tl.load(ptr + at, mask=mask, other=0.0).to(tl.float32)


@jit
def affine(statistics_ptr, weight_ptr, bias_ptr, c, valid, P: tl.constexpr):
    """Scale and shift [block_channels] of the norm from statistics [3, C]: mean, 1 / deviation, variance."""
    if P.norm:
        scale = read(statistics_ptr + P.channels, c, valid) * read(weight_ptr, c, valid)
        shift = read(bias_ptr, c, valid) - read(statistics_ptr, c, valid) * scale
    else:
        scale = tl.full((P.block_channels,), 1.0, tl.float32)
        shift = tl.full((P.block_channels,), 0.0, tl.float32)
    return scale, shift


@jit
def normalised(x_ptr, at, mask, scale, shift, P: tl.constexpr):
    """The norm's output, or x itself where there is no norm."""
    x = read(x_ptr, at, mask)
    if P.norm:
        x = x * scale[None, :] + shift[None, :]
    return x


@jit
def held_current(x_ptr, residual_ptr, at, mask, scale, shift, P: tl.constexpr):
    """The part of the current that is the same in every step."""
    current = zeros(P)
    if P.x_steps == 1:
        current = normalised(x_ptr, at, mask, scale, shift, P)
    if P.residual_steps == 1:
        current += read(residual_ptr, at, mask)
    return current


@jit
def step_current(held, x_ptr, residual_ptr, at, mask, scale, shift, P: tl.constexpr):
    """The current of one step, to whose x and residual the pointers point."""
    current = held
    if P.x_steps > 1:
        current += normalised(x_ptr, at, mask, scale, shift, P)
    if P.residual_steps > 1:
        current += read(residual_ptr, at, mask)
    return current


@jit
def charge_factor(factor_ptr, P: tl.constexpr):
    """The factor of the charge."""
    if P.factor is None:
        f = tl.load(factor_ptr)
    else:
        f = tl.full((), P.factor, tl.float32)
    return f
