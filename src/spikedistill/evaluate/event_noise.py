"""Events of frames that are lost or displaced, each by a draw of its own.

Frames hold counts, so an event is one of the count of its pixel in its frame. Which events are hit at a smaller share
are hit at a greater one too, and in the same way.
"""

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from spikedistill.data.event_augment import MOST_EVENTS, counted, events_of, thinned
from spikedistill.randomness import Draws

Frames = UInt8[Tensor, "B T C H W"]
AROUND = tuple((0, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x)
"""Frame, row and column to one of the eight pixels around."""
BEFORE_AND_AFTER = ((-1, 0, 0), (1, 0, 0))


def dropped(frames: Frames, share: float, draws: Draws) -> Frames:
    """Return frames of which each event is dropped with the probability `share`."""
    return thinned(frames, torch.full((), share, device=frames.device).expand(frames.shape), draws)


def jittered_in_space(frames: Frames, share: float, draws: Draws) -> Frames:
    """Return frames of which each event moves with the probability `share`, to any of the eight pixels around.

    One that would leave the sensor stays, so that no event is lost but those beyond 255 in a pixel of a frame.
    """
    return _jittered(frames, share, draws, AROUND)


def jittered_in_time(frames: Frames, share: float, draws: Draws) -> Frames:
    """Return frames of which each event moves with the probability `share`, to the frame before or after.

    One that would leave the recording stays, likewise.
    """
    return _jittered(frames, share, draws, BEFORE_AND_AFTER)


def _jittered(frames: Frames, share: float, draws: Draws, ways: tuple[tuple[int, int, int], ...]) -> Frames:
    steps, channels, height, width = frames.shape[1:]
    flat = frames.flatten(1)
    row, pixel, place = events_of(flat, flat > 0)
    size = MOST_EVENTS * flat.shape[1]
    moves = draws.uniform_at("event-jitter", row, place, size) < share
    way = (draws.uniform_at("event-jitter-way", row, place, size) * len(ways)).long()
    to_t, to_y, to_x = torch.tensor(ways, device=frames.device)[way].unbind(1)
    t, channel = _split(pixel // (height * width), channels)
    y, x = _split(pixel % (height * width), width)
    t, y, x = t + to_t, y + to_y, x + to_x
    moves &= (t >= 0) & (t < steps) & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    there = ((t * channels + channel) * height + y) * width + x
    return counted(flat.shape, row, torch.where(moves, there, pixel)).view(frames.shape)


def _split(number: Int[Tensor, " E"], by: int) -> tuple[Int[Tensor, " E"], Int[Tensor, " E"]]:
    return number // by, number % by
