"""Random-resized-crop: a part of the picture, of random area and sides' ratio, brought to the picture's size.

Szegedy et al., "Going deeper with convolutions", CVPR 2015, Section 6; the usual training augmentation of ImageNet, as
torchvision's RandomResizedCrop draws it: up to ten attempts at an area and a ratio, and where none fits in the picture
the middle of it, cut to the nearest ratio that is allowed.

Of images in memory a part of the image is cut. Of pictures that are decoded when they are asked for (`imagenet`, large
folders) it is a part of the picture in its file, before that is brought to size; see `Split.take_transformed`.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from spikedistill.data.transform import Transform, fold_frames
from spikedistill.errors import InputError
from spikedistill.randomness import Draws

ATTEMPTS = 10
ONE = 1 << 11
"""1 in the fixed-point weights of `cut_and_resize`."""

Box = Int[Tensor, "B 4"]
"""Top, left, height, width, in pixels."""


@dataclass(frozen=True)
class ResizedCrop(Transform):
    """Cut a random part of the picture and bring it to the picture's size (bilinear)."""

    name = "resized-crop"
    order = 5

    least: float = 0.08
    """Least area of the part, as a share of the picture's; the greatest is 1."""
    ratio: float = 4 / 3
    """Greatest ratio of the part's sides, height to width or width to height."""

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise InputError(f"least is a share of the picture's area, above 0 and at most 1, not {self.least}.")
        if not 1 <= self.ratio <= 100:
            raise InputError(f"ratio is the greatest ratio of the sides, from 1 to 100, not {self.ratio}.")

    def __call__(self, images: UInt8[Tensor, "B ..."], draws: Draws) -> UInt8[Tensor, "B ..."]:
        """See `Transform.__call__`."""
        height, width = images.shape[-2:]
        return cut_and_resize(fold_frames(images), self.boxes(self.numbers(draws), height, width)).view(images.shape)

    def numbers(self, draws: Draws) -> Float[Tensor, "B 22"]:
        """Return the random numbers that `boxes` needs: area and ratio of each attempt, then the place."""
        return draws.uniform("resized-crop", 2 * ATTEMPTS + 2).double()

    def boxes(self, numbers: Float[Tensor, "B 22"], height: int, width: int) -> Box:
        """Return the part of each picture of this height and width."""
        share = self.least + (1 - self.least) * numbers[:, :ATTEMPTS]
        ratio = torch.exp(math.log(self.ratio) * (2 * numbers[:, ATTEMPTS : 2 * ATTEMPTS] - 1))  # width to height
        wide = (height * width * share * ratio).sqrt().round()
        high = (height * width * share / ratio).sqrt().round()
        fits = (wide >= 1) & (wide <= width) & (high >= 1) & (high <= height)
        first = fits.to(torch.uint8).argmax(1, keepdim=True)
        size = torch.cat([high.gather(1, first), wide.gather(1, first)], 1)
        room = torch.tensor([height, width], dtype=torch.float64, device=size.device) - size + 1
        corner = (numbers[:, 2 * ATTEMPTS :] * room).floor()
        drawn = torch.cat([corner, size], 1).long()
        middle = torch.tensor(self._middle(height, width), device=size.device)
        return torch.where(fits.any(1, keepdim=True), drawn, middle)

    def _middle(self, height: int, width: int) -> tuple[int, int, int, int]:
        high, wide = height, width
        if width / height < 1 / self.ratio:
            high = round(width * self.ratio)
        elif width / height > self.ratio:
            wide = round(height * self.ratio)
        return (height - high) // 2, (width - wide) // 2, high, wide


def cut_and_resize(images: UInt8[Tensor, "B C H W"], boxes: Box) -> UInt8[Tensor, "B C H W"]:
    """Return the part of each image that its box says, in the image's size again: bilinear, rounded.

    A part is never larger than the image, so that nothing has to be smoothed. Weights are multiples of 2^-11, and all
    else is exact: the same on every device.
    """
    rows, columns = (_neighbours(boxes[:, k], boxes[:, k + 2], images.shape[2 + k]) for k in (0, 1))
    out = torch.zeros_like(images, dtype=torch.int32)
    for y, down in zip(*rows, strict=True):
        taken = images.gather(2, y[:, None, :, None].expand(images.shape))
        for x, right in zip(*columns, strict=True):
            part = taken.gather(3, x[:, None, None, :].expand(images.shape))
            out += part * (down[:, None, :, None] * right[:, None, None, :])
    return ((out + ONE * ONE // 2) // (ONE * ONE)).to(torch.uint8)


def _neighbours(start: Tensor, length: Tensor, size: int) -> tuple[list[Tensor], list[Tensor]]:
    """Return the two places [B, size] that each output pixel lies between, and their weights times `ONE`.

    Output pixel i is at (i + 1/2) length / size - 1/2 from the start; places outside the part are those at its border.
    """
    steps = (2 * torch.arange(size, device=start.device) + 1) * length[:, None] - size  # in units of 1 / (2 size)
    low = torch.div(steps, 2 * size, rounding_mode="floor")
    weight = torch.div((steps - low * 2 * size) * ONE + size, 2 * size, rounding_mode="floor").to(torch.int32)
    last = length[:, None] - 1
    places = [start[:, None] + torch.minimum(place.clamp_min(0), last) for place in (low, low + 1)]
    return places, [ONE - weight, weight]
