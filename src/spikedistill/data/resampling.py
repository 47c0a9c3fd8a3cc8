"""Images read at other places: the geometry of augmentation."""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

FIXED = 1 << 16
"""Pillow's unit of coordinates."""

Number = Tensor | float


def nearest_pixels(
    images: UInt8[Tensor, "B C H W"], y: Int[Tensor, "B _ _"], x: Int[Tensor, "B _ _"], fill: int
) -> UInt8[Tensor, "B C H W"]:
    """out[b, :, i, j] = images[b, :, y[b, i, j], x[b, i, j]], or `fill` where that is outside of the image.

    Args:
        images: Any.
        y: Rows, of a shape that broadcasts to [B, H, W].
        x: Columns, likewise.
        fill: Value of what lies outside.
    """
    channels, height, width = images.shape[1:]
    outside = (y < 0) | (y >= height) | (x < 0) | (x >= width)
    flat = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).flatten(1)[:, None].expand(-1, channels, -1)
    out = images.flatten(2).gather(2, flat).view(images.shape)
    return out.masked_fill_(outside[:, None], fill)


def affine(images: UInt8[Tensor, "B C H W"], matrix: tuple[Number, ...], fill: int) -> UInt8[Tensor, "B C H W"]:
    """Return the nearest pixel of (x', y') = (a x + b y + c, d x + e y + f) for each pixel, bit for bit as Pillow does.

    x and y are those of the pixel's middle; coordinates are multiples of 2^-16.

    Args:
        images: Any.
        matrix: a to f, each a number for all images or float [B].
        fill: Value of what lies outside.
    """
    a, b, c, d, e, f = (torch.as_tensor(value, dtype=torch.float64, device=images.device) for value in matrix)
    i = torch.arange(images.shape[2], device=images.device).view(1, -1, 1)
    j = torch.arange(images.shape[3], device=images.device).view(1, 1, -1)
    x = (_fixed(c + a * 0.5 + b * 0.5) + _fixed(a) * j + _fixed(b) * i) >> 16
    y = (_fixed(f + d * 0.5 + e * 0.5) + _fixed(d) * j + _fixed(e) * i) >> 16
    return nearest_pixels(images, y.expand(len(images), -1, -1), x.expand(len(images), -1, -1), fill)


def rotation(angle: Float[Tensor, " B"], height: int, width: int) -> tuple[Number, ...]:
    """Return the matrix that turns images of this size counter-clockwise about their middle; angles are in radians."""
    cos, sin = (-angle).cos(), (-angle).sin()
    x, y = width / 2, height / 2
    return cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y


def _fixed(value: Tensor) -> Int[Tensor, "_ 1 1"]:
    """In units of 1 / 65536."""
    return (value * FIXED + 0.5).floor().long().view(-1, 1, 1)
