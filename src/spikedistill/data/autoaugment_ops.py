"""The operations of AutoAugment on batches of uint8 images, each with its own magnitude: bit for bit what Pillow does.

Pillow's definitions (ImageOps, ImageEnhance, Image.transform, Image.rotate), down to where they truncate, so that
results can be compared with code that uses Pillow. What geometry brings in from outside is grey, 128.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from spikedistill.data.colour import luma
from spikedistill.data.resampling import affine, nearest_pixels, rotation

Images = UInt8[Tensor, "B C H W"]
Magnitude = Float[Tensor, " B"]
Operation = Callable[[Tensor, Tensor], Tensor]

FILL = 128


def invert(images: Images, _: Magnitude) -> Images:
    """255 - image."""
    return 255 - images


def posterize(images: Images, bits: Magnitude) -> Images:
    """Keep the upper bits, `bits` rounded to a whole number."""
    step = (2 ** (8 - bits.round())).to(torch.int32).view(-1, 1, 1, 1)
    return (images // step * step).to(torch.uint8)


def solarize(images: Images, threshold: Magnitude) -> Images:
    """Invert the values that are not below the threshold."""
    return torch.where(images < threshold.view(-1, 1, 1, 1), images, 255 - images)


def auto_contrast(images: Images, _: Magnitude) -> Images:
    """Stretch each channel linearly so that its least value becomes 0 and its greatest 255."""
    low = images.amin((2, 3), keepdim=True).double()
    high = images.amax((2, 3), keepdim=True).double()
    scale = torch.full_like(low, 255) / (high - low).clamp_min(1)  # 255 / tensor multiplies by the reciprocal
    stretched = (images * scale + -low * scale).clamp(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, images)


def equalize(images: Images, _: Magnitude) -> Images:
    """Map the values of each channel so that all are about equally frequent."""
    flat = images.flatten(2).long()
    histogram = torch.zeros(*flat.shape[:2], 256, dtype=torch.int32, device=images.device)
    histogram.scatter_add_(2, flat, torch.ones_like(flat, dtype=torch.int32))
    of_greatest = histogram.gather(2, flat.amax(2, keepdim=True))
    step = torch.div(flat.shape[2] - of_greatest, 255, rounding_mode="floor")
    below = histogram.cumsum(2, dtype=torch.int32) - histogram
    divisor = step.clamp_min(1)
    table = torch.div(below + divisor // 2, divisor, rounding_mode="floor").clamp_max(255).to(torch.uint8)
    return torch.where(step > 0, table.gather(2, flat), images.flatten(2)).view(images.shape)


def brightness(images: Images, change: Magnitude) -> Images:
    """Away from black (change > 0) or towards it: factor 1 + change."""
    return _blend(torch.zeros_like(images), images, change)


def color(images: Images, change: Magnitude) -> Images:
    """Away from grey (change > 0) or towards it, pixel by pixel; nothing on images of one channel."""
    if images.shape[1] == 1:
        return images
    return _blend(luma(images), images, change)


def contrast(images: Images, change: Magnitude) -> Images:
    """Away from the image's mean grey (change > 0) or towards it."""
    grey = images if images.shape[1] == 1 else luma(images)
    pixels = grey.shape[2] * grey.shape[3]
    total = grey.sum((1, 2, 3), keepdim=True)
    return _blend(torch.div(2 * total + pixels, 2 * pixels, rounding_mode="floor"), images, change)


def sharpness(images: Images, change: Magnitude) -> Images:
    """Away from the smoothed image (change > 0) or towards it; the outermost pixels stay."""
    height, width = images.shape[2:]
    x = images.int()
    inner = x[:, :, 1:-1, 1:-1]
    total = 4 * inner
    for dy in range(3):
        for dx in range(3):
            total = total + x[:, :, dy : height - 2 + dy, dx : width - 2 + dx]
    smooth = x.clone()
    smooth[:, :, 1:-1, 1:-1] = torch.div(2 * total + 13, 26, rounding_mode="floor")
    return _blend(smooth, images, change)


def translate_x(images: Images, fraction: Magnitude) -> Images:
    """Move to the left by this fraction of the width, rounded to whole pixels."""
    height, width = images.shape[2:]
    x = torch.arange(width, device=images.device) + _pixels(fraction, width)
    y = torch.arange(height, device=images.device).expand(len(images), -1)
    return nearest_pixels(images, y[:, :, None], x[:, None, :], FILL)


def translate_y(images: Images, fraction: Magnitude) -> Images:
    """Move up by this fraction of the height, rounded to whole pixels."""
    return translate_x(images.mT, fraction).mT


def rotate(images: Images, degrees: Magnitude) -> Images:
    """Turn counter-clockwise about the centre; the nearest pixel, in Pillow's fixed-point coordinates."""
    return affine(images, rotation(torch.deg2rad(degrees), *images.shape[2:]), FILL)


def shear_y(images: Images, slope: Magnitude) -> Images:
    """Move column x up by slope * (x + 1/2); cubic interpolation (a = -1)."""
    height, width = images.shape[2:]
    i = torch.arange(height, device=images.device).view(1, -1, 1) + 0.5
    j = torch.arange(width, device=images.device, dtype=torch.float64).view(1, 1, -1) + 0.5
    y = slope.view(-1, 1, 1) * j + i
    outside = (y < 0) | (y >= height)
    start = (y - 0.5).floor()
    d = ((y - 0.5) - start)[:, None]
    rows = [(start.long() + k).clamp(0, height - 1)[:, None].expand(images.shape) for k in range(-1, 3)]
    a, b, c, e = (images.gather(2, row).double() for row in rows)
    value = b + d * ((c - a) + d * ((2 * (a - b) + c - e) + d * (-a + b - c + e)))
    return value.clamp(0, 255).to(torch.uint8).masked_fill_(outside[:, None], FILL)


def _blend(base: Tensor, images: Tensor, change: Tensor) -> Tensor:
    """Return base + (1 + change) * (images - base) in float32, truncated to uint8."""
    factor = (1 + change).float().view(-1, 1, 1, 1)
    start = base.float()
    return (start + factor * (images.float() - start)).clamp(0, 255).to(torch.uint8)


def _pixels(fraction: Tensor, size: int) -> Tensor:
    """Whole pixels [B, 1]."""
    return (fraction * size + 0.5).floor().long()[:, None]
