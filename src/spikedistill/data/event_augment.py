"""Augmentation of event frames: geometry that moves all frames of a sample alike, and events that are dropped.

Li et al., "Neuromorphic data augmentation for training spiking neural networks", ECCV 2022 (NDA), and Gu et al.,
"EventDrop: data augmentation for event-based learning", IJCAI 2021. Mirroring and cutout are those of images:
`spikedistill.data.augment` (a data set of counts has the mean 0, so that cutout leaves no events).

The geometry takes images too; what comes in from outside is 0.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from spikedistill.data.augment import Cutout
from spikedistill.data.resampling import affine, rotation
from spikedistill.data.transform import Transform, fold_frames
from spikedistill.errors import InputError
from spikedistill.randomness import Draws
from spikedistill.values.checks import check_above, check_count, check_share

Samples = UInt8[Tensor, "B ..."]
MOST_EVENTS = 255
"""That a pixel of a frame counts."""


@dataclass(frozen=True)
class Roll(Transform):
    """Move by a whole number of pixels down and right; what leaves on one side comes in on the other."""

    name = "roll"
    order = 22

    most: int = 5
    """Pixels; both moves are uniform from -most to most."""

    def __post_init__(self) -> None:
        check_count(self, "most", low=1, high=10**6)

    def __call__(self, images: Samples, draws: Draws) -> Samples:
        """See `Transform.__call__`."""
        flat = fold_frames(images)
        for dimension, stream in ((2, "roll-y"), (3, "roll-x")):
            size = flat.shape[dimension]
            moved = draws.integers(2 * self.most + 1, stream)[:, None] - self.most
            source = (torch.arange(size, device=flat.device) - moved) % size
            shape = [len(flat), 1, 1, 1]
            shape[dimension] = size
            flat = flat.gather(dimension, source.view(shape).expand(flat.shape))
        return flat.view(images.shape)


@dataclass(frozen=True)
class Rotate(Transform):
    """Turn about the middle; the nearest pixel, as Pillow finds it."""

    name = "rotate"
    order = 24

    most: float = 30.0
    """Degrees; the angle is uniform from -most to most."""

    def __post_init__(self) -> None:
        check_above(self, "most", most=180.0)

    def __call__(self, images: Samples, draws: Draws) -> Samples:
        """See `Transform.__call__`."""
        flat = fold_frames(images)
        angle = torch.deg2rad(self.most * (2 * draws.uniform("rotate").double() - 1))
        return affine(flat, rotation(angle, *flat.shape[2:]), 0).view(images.shape)


@dataclass(frozen=True)
class Shear(Transform):
    """Move each row sideways in proportion to its height above the middle; the nearest pixel, as Pillow finds it."""

    name = "shear"
    order = 26

    most: float = 30.0
    """Degrees that upright lines lean at most; uniform from -most to most."""

    def __post_init__(self) -> None:
        check_above(self, "most", most=80.0)

    def __call__(self, images: Samples, draws: Draws) -> Samples:
        """See `Transform.__call__`."""
        flat = fold_frames(images)
        slope = torch.deg2rad(self.most * (2 * draws.uniform("shear").double() - 1)).tan()
        return affine(flat, (1.0, slope, -slope * (flat.shape[2] / 2), 0.0, 1.0, 0.0), 0).view(images.shape)


@dataclass(frozen=True)
class NDA(Transform):
    """Some of roll, rotation, shear and cutout, chosen anew for each sample (Li et al., ECCV 2022).

    The paper mirrors half of the samples too: `--data.augment flip,nda`. The magnitudes are those of the authors'
    public code for CIFAR10-DVS, whose frames it brings to 48 x 48; that code takes one of roll, rotation and shear, and
    no cutout (`cutout` 0). The paper's CutMix mixes labels, and is not here.
    """

    name = "nda"
    order = 28

    count: int = 1
    """Of its parts that a sample undergoes, different ones."""
    roll: int = 5
    """See `Roll`; 0 leaves it out."""
    rotate: float = 30.0
    """See `Rotate`; 0 leaves it out."""
    shear: float = 30.0
    """See `Shear`; 0 leaves it out."""
    cutout: int = 8
    """Side of the square without events; see `Cutout`; 0 leaves it out."""

    def __post_init__(self) -> None:
        parts = len(self._parts(1))
        if not 1 <= self.count <= parts:
            raise InputError(f"count is how many of its {parts} parts NDA takes for a sample, not {self.count}.")

    def __call__(self, images: Samples, draws: Draws) -> Samples:
        """See `Transform.__call__`."""
        parts, out = self._parts(images.shape[-3]), images.clone()
        rank = draws.uniform("nda", len(parts)).argsort(dim=1, stable=True).argsort(1)
        for number, part in enumerate(parts):
            rows = (rank[:, number] < self.count).nonzero().squeeze(1)
            if len(rows):
                out[rows] = part(out[rows], replace(draws, index=draws.index[rows]))
        return out

    def fitted(self, shape: tuple[int, ...], mean: tuple[float, ...]) -> Transform:
        """See `Transform.fitted`."""
        for part in self._parts(shape[-3]):
            part.fitted(shape, mean)
        return self

    def _parts(self, channels: int) -> list[Transform]:
        kinds: list[tuple[type[Transform], float]] = [(Roll, self.roll), (Rotate, self.rotate), (Shear, self.shear)]
        parts = [kind(most) for kind, most in kinds if most]  # type: ignore[call-arg]
        return [*parts, Cutout(self.cutout, (0.0,) * channels)] if self.cutout else parts


@dataclass(frozen=True)
class EventDrop(Transform):
    """Drop events of frames: those of a time, those of an area, or any (Gu et al., IJCAI 2021).

    Each sample undergoes one of four things, equally likely: nothing; no events for a tenth to nine tenths of the
    duration, from a time on that is uniform; no events in a rectangle of a twentieth to a quarter of either side, about
    a place that is uniform; or a tenth to nine tenths of all events are dropped. A sample without an event left stays
    as it is. Shares are equal steps up to the fields below.

    Frames hold counts, and no times within a frame. So time is counted in frames, and of a frame that is covered in
    part each event is dropped with that probability; likewise each event by itself is dropped with the share of all,
    where the paper drops exactly so many. The authors' code drops all rows and all columns of the rectangle, a cross;
    this is the paper's rectangle.
    """

    name = "event-drop"
    order = 45

    time: float = 0.9
    """Greatest share of the duration, the last of nine; 0 leaves it out."""
    area: float = 0.25
    """Greatest share of either side, the last of five; 0 leaves it out."""
    random: float = 0.9
    """Greatest share of all events, the last of nine; 0 leaves it out."""

    def __post_init__(self) -> None:
        check_share(self, "time", "area", "random")

    def __call__(self, images: Samples, draws: Draws) -> Samples:
        """See `Transform.__call__`."""
        kinds = [kind for kind, most in ((_in_time, self.time), (_in_area, self.area), (_of_all, self.random)) if most]
        most = [most for most in (self.time, self.area, self.random) if most]
        chosen = draws.integers(1 + len(kinds), "event-drop")
        share = torch.zeros(len(images), images.shape[1], 1, *images.shape[3:], device=images.device)
        for number, (kind, greatest) in enumerate(zip(kinds, most, strict=True), 1):
            rows = (chosen == number).nonzero().squeeze(1)
            share[rows] = kind(replace(draws, index=draws.index[rows]), greatest, tuple(images.shape[1:]))
        thinner = thinned(images, share.expand(images.shape), draws)
        left = (thinner.flatten(1).amax(1) > 0).view(-1, 1, 1, 1, 1)
        return torch.where(left, thinner, images)

    def fitted(self, shape: tuple[int, ...], mean: tuple[float, ...]) -> Transform:  # noqa: ARG002
        """See `Transform.fitted`."""
        if len(shape) != 4:
            raise InputError("EventDrop is for frames of events; these are images. Leave it out.")
        return self


def thinned(frames: Samples, share: Float[Tensor, "B T C H W"], draws: Draws) -> Samples:
    """Return frames of counts of which each event is dropped with the probability `share` of its pixel."""
    flat, share = frames.flatten(1), share.flatten(1)
    out = flat * (share < 1)
    unsure = (out > 0) & (share > 0)
    row, pixel, place = events_of(out, unsure)
    stays = draws.uniform_at("event-drop-event", row, place, MOST_EVENTS * flat.shape[1]) >= share[row, pixel]
    return torch.where(unsure, counted(flat.shape, row[stays], pixel[stays]), out).view(frames.shape)


def events_of(
    flat: UInt8[Tensor, "B P"], where: Bool[Tensor, "B P"]
) -> tuple[Int[Tensor, " E"], Int[Tensor, " E"], Int[Tensor, " E"]]:
    """Return every event of some pixels of flattened frames: its row, its pixel, and a number in its row of its own.

    That number is below `MOST_EVENTS` times P, and depends on nothing outside of the row.
    """
    rows, pixels = where.nonzero().unbind(1)
    counts = flat[rows, pixels].long()
    pixel_of = torch.arange(len(rows), device=rows.device).repeat_interleave(counts)
    nth = torch.arange(len(pixel_of), device=rows.device) - (counts.cumsum(0) - counts)[pixel_of]
    return rows[pixel_of], pixels[pixel_of], pixels[pixel_of] * MOST_EVENTS + nth


def counted(shape: torch.Size, row: Int[Tensor, " E"], pixel: Int[Tensor, " E"]) -> UInt8[Tensor, "B P"]:
    """Return flattened frames of these events; a pixel of more than 255 has 255."""
    counts = torch.zeros(shape, dtype=torch.int32, device=row.device)
    counts.index_put_((row, pixel), torch.ones_like(row, dtype=torch.int32), accumulate=True)
    return counts.clamp_(max=MOST_EVENTS).to(torch.uint8)


def _steps(draws: Draws, greatest: float, steps: int) -> Float[Tensor, " B"]:
    return greatest * (1 + draws.integers(steps, "event-drop-share")) / steps


def _in_time(draws: Draws, greatest: float, shape: tuple[int, ...]) -> Float[Tensor, "B T 1 1 1"]:
    """Return the share of each frame that the time covers."""
    start = draws.uniform("event-drop-start") * shape[0]
    end = start + _steps(draws, greatest, 9) * shape[0]
    frame = torch.arange(shape[0], device=start.device)
    covered = torch.minimum(end[:, None], frame + 1.0) - torch.maximum(start[:, None], frame)
    return covered.clamp(0, 1).view(-1, shape[0], 1, 1, 1)


def _in_area(draws: Draws, greatest: float, shape: tuple[int, ...]) -> Float[Tensor, "B 1 1 H W"]:
    """Return 1 in the rectangle."""
    share, inside = _steps(draws, greatest, 5), []
    for size, stream in zip(shape[2:], ("event-drop-y", "event-drop-x"), strict=True):
        length = share * size
        first = (draws.uniform(stream) * size - length / 2).clamp_min(0).floor()[:, None]
        place = torch.arange(size, device=share.device)
        inside.append((place >= first) & (place <= first + length[:, None]))
    return (inside[0][:, :, None] & inside[1][:, None, :]).float()[:, None, None]


def _of_all(draws: Draws, greatest: float, shape: tuple[int, ...]) -> Float[Tensor, "B 1 1 1 1"]:  # noqa: ARG001
    """Return the share itself."""
    return _steps(draws, greatest, 9).view(-1, 1, 1, 1, 1)
