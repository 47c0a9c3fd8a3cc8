"""Augmentation of a batch of uint8 images on their device: crop, flip and cutout, and the usual tuple of all.

There is no loop over images, and nothing here waits for the device; AutoAugment does, twice a batch.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, UInt8
from torch import Tensor

from spikedistill.data.autoaugment import AutoAugment
from spikedistill.data.transform import Transform, fold_frames
from spikedistill.errors import InputError
from spikedistill.randomness import Draws, Stream
from spikedistill.values.checks import check_at_least


def Augment(  # noqa: N802
    crop: int = 0, flip: bool = False, policy: Literal["none", "cifar10"] = "none", cutout: int = 0
) -> tuple[Transform, ...]:
    """Return the usual transformations in their usual order, that of the public code of the SNN literature.

    Args:
        crop: Zero padding in pixels around the image before a random crop back to its size; 0 for none.
        flip: Mirror left to right with probability 1/2.
        policy: AutoAugment's CIFAR-10 policy (Cubuk et al., CVPR 2019), or none.
        cutout: Side in pixels of the square that cutout (DeVries and Taylor, 2017) sets to the mean; 0 for none.

    Raises:
        InputError: a number is below 0, or there is no such policy.
    """
    kinds: list[Transform] = []
    if crop:
        kinds.append(Crop(crop))
    if flip:
        kinds.append(Flip())
    if policy != "none":
        kinds.append(AutoAugment(policy))
    if cutout:
        kinds.append(Cutout(cutout))
    return tuple(kinds)


@dataclass(frozen=True)
class Crop(Transform):
    """Pad with zeros and crop back to the size, all (2 padding + 1)^2 places equally likely."""

    name = "crop"
    order = 10

    padding: int = 4
    """In pixels, on each side; at most the longer side of the image."""

    def __post_init__(self) -> None:
        check_at_least(self, "padding", bound=1)

    def __call__(self, images: UInt8[Tensor, "B ..."], draws: Draws) -> UInt8[Tensor, "B ..."]:
        """See `Transform.__call__`."""
        flat = fold_frames(images)
        height, width = flat.shape[2:]
        padded = F.pad(flat, (self.padding,) * 4)
        y = torch.arange(height, device=flat.device) + draws.integers(2 * self.padding + 1, Stream.CROP_Y)[:, None]
        x = torch.arange(width, device=flat.device) + draws.integers(2 * self.padding + 1, Stream.CROP_X)[:, None]
        pixels = (y[:, :, None] * padded.shape[3] + x[:, None, :]).flatten(1)
        return padded.flatten(2).gather(2, pixels[:, None].expand(-1, flat.shape[1], -1)).view(images.shape)

    def fitted(self, shape: tuple[int, ...], mean: tuple[float, ...]) -> Transform:  # noqa: ARG002
        """See `Transform.fitted`."""
        return _within(self, "padding", max(shape[-2:]), shape)


@dataclass(frozen=True)
class Flip(Transform):
    """Mirror left to right with probability 1/2."""

    name = "flip"
    order = 20

    def __call__(self, images: UInt8[Tensor, "B ..."], draws: Draws) -> UInt8[Tensor, "B ..."]:
        """See `Transform.__call__`."""
        return _mirror(images, draws.uniform(Stream.FLIP) < 0.5)


@dataclass(frozen=True)
class AlternatingFlip(Transform):
    """Mirror left to right half of the images in view 0, the other half in view 1, and so on in turn.

    Any two views in a row show each image both ways, where independent flips show a quarter of them twice the same way
    (Jordan, "94 % on CIFAR-10 in 3.29 seconds on a single GPU", 2024, arXiv 2404.00498). An odd number of `views` of a
    recipe breaks the turn once a round.
    """

    name = "alternating-flip"
    order = 20

    def __call__(self, images: UInt8[Tensor, "B ..."], draws: Draws) -> UInt8[Tensor, "B ..."]:
        """See `Transform.__call__`."""
        at_first = replace(draws, epoch=0).uniform(Stream.FLIP) < 0.5
        return _mirror(images, at_first ^ bool(draws.epoch % 2))


def _mirror(images: UInt8[Tensor, "B ..."], which: Bool[Tensor, " B"]) -> UInt8[Tensor, "B ..."]:
    """Return the images, those that are marked mirrored left to right."""
    mirrored = which.to(torch.uint8).mul_(255).view(-1, *(1,) * (images.dim() - 1))
    # Bits that differ, where they are wanted: a fifth of the time of `where`, which is not vectorised for bytes.
    return images.flip(-1).bitwise_xor_(images).bitwise_and_(mirrored).bitwise_xor_(images)


@dataclass(frozen=True)
class Cutout(Transform):
    """Fill one square with the mean (DeVries and Taylor, "Improved regularization of CNNs with cutout", 2017).

    The square's centre is any pixel, so the square may reach over the border; it goes from centre - length // 2 to
    centre - length // 2 + length, exclusive. (The authors' code makes an odd length one smaller.)
    """

    name = "cutout"
    order = 40

    length: int = 16
    """Side of the square in pixels; at most twice the longer side of the image."""
    fill: tuple[float, ...] | None = None
    """Per channel, in [0, 1]; the data set's mean where None. It is rounded to a grey level: normalisation makes the
    mean 0 to within 1 / (510 std)."""

    def __post_init__(self) -> None:
        check_at_least(self, "length", bound=1)
        if not all(0 <= value <= 1 for value in self.fill or ()):
            raise InputError(f"fill must be numbers from 0 to 1, one per channel, not {self.fill} (Cutout).")

    def __call__(self, images: UInt8[Tensor, "B ..."], draws: Draws) -> UInt8[Tensor, "B ..."]:
        """See `Transform.__call__`.

        Raises:
            ValueError: `fill` is still None; `fitted` says what it is.
        """
        if self.fill is None:
            raise ValueError("Cutout fills with the data set's mean: take what `fitted` returns.")
        inside = []
        for size, stream in ((images.shape[-2], Stream.CUTOUT_Y), (images.shape[-1], Stream.CUTOUT_X)):
            start = draws.integers(size, stream)[:, None] - self.length // 2
            position = torch.arange(size, device=images.device)
            inside.append((position >= start) & (position < start + self.length))
        hole = inside[0][:, :, None] & inside[1][:, None, :]
        if images.dim() == 5:
            hole = hole[:, None]
        out = images.clone()
        for channel, value in enumerate(self.fill):
            out.select(-3, channel).masked_fill_(hole, round(255 * value))
        return out

    def fitted(self, shape: tuple[int, ...], mean: tuple[float, ...]) -> Transform:
        """See `Transform.fitted`."""
        fill = mean if self.fill is None else self.fill
        if len(fill) != shape[-3]:
            raise InputError(f"fill has {len(fill)} values for images of {shape[-3]} channels (Cutout). Give one each.")
        return _within(replace(self, fill=fill), "length", 2 * max(shape[-2:]), shape)


def _within(transform: Transform, field: str, greatest: int, shape: tuple[int, ...]) -> Transform:
    """The transformation, whose field must not be beyond what the size of the images allows."""
    given = getattr(transform, field)
    if given > greatest:
        raise InputError(
            f"{field} must be from 1 to {greatest} for images of {shape[-2]}x{shape[-1]}, not {given} "
            f"({type(transform).__name__})."
        )
    return transform
