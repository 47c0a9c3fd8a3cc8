"""Everything about one call that the kernels are compiled for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

WARPS = 4
MOST_PROGRAMS = 1024
"""Of a kernel that sums over rows: the number of rows of partial sums, times the blocks of channels."""
LONGEST_SEGMENT = 16
"""Steps whose potentials are held in registers at once."""


@dataclass(frozen=True)
class Plan:
    """Shapes, the neuron and the tile. Compiled kernels are kept per plan; the number of rows is not part of it.

    A step has `rows` (B * H * W) rows of `channels` values. A program works on a tile of `block_rows` by
    `block_channels` neurons in all time steps. The neuron's fields are those of `spikedistill.kernels.codes`.
    """

    steps: int
    x_steps: int
    """1 or `steps`."""
    residual_steps: int
    """0 without a residual, 1 or `steps`."""
    channels: int
    norm: bool
    charge: int
    surrogate: int
    hard: bool
    detach: bool
    threshold: float
    rest: float
    start: float
    factor: float | None
    """None where it is learned."""
    penalty: float
    a: float
    b: float
    segment: int
    block_rows: int
    block_channels: int


def make_plan(
    x: Tensor,
    steps: int,
    residual_steps: int,
    norm: bool,
    learned: bool,
    codes: Sequence[int],
    constants: Sequence[float],
) -> Plan:
    """Plan for x [1 or steps, B, C, ...] and a neuron in `codes.encode`'s numbers; `learned`: its factor is."""
    charge, surrogate, hard, detach = codes
    threshold, rest, factor, penalty, a, b, start = constants
    segments = -(-steps // LONGEST_SEGMENT)
    segment = -(-steps // segments)
    block_rows, block_channels = tile(x.shape[2], segment, x.element_size())
    return Plan(
        steps=steps,
        x_steps=x.shape[0],
        residual_steps=residual_steps,
        channels=x.shape[2],
        norm=norm,
        charge=charge,
        surrogate=surrogate,
        hard=bool(hard),
        detach=bool(detach),
        threshold=threshold,
        rest=rest,
        start=start,
        factor=None if learned else factor,
        penalty=penalty,
        a=a,
        b=b,
        segment=segment,
        block_rows=block_rows,
        block_channels=block_channels,
    )


def streaming(plan: Plan, element_size: int) -> Plan:
    """The plan with a tile for kernels that hold one step at a time."""
    return replace(plan, block_rows=tile(plan.channels, 1, element_size)[0])


def tile(channels: int, segment: int, element_size: int) -> tuple[int, int]:
    """Rows and channels of a tile: as many neurons per thread as the registers hold potentials of, up to 16 bytes."""
    per_thread = 2 if segment > 8 else 8 if element_size == 2 and segment <= 4 else 4
    block_channels = min(64, 1 << (channels - 1).bit_length())
    return WARPS * 32 * per_thread // block_channels, block_channels
