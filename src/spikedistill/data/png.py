"""A sample as a picture that a page shows."""

import base64
import io

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor


def as_png(sample: UInt8[Tensor, "..."], longest: int | None = None) -> str | None:
    """Return a sample as a PNG in base64; None of a number of channels that is no picture's.

    Args:
        sample: An image [C, H, W] of 1 or 3 channels. Frames of events [T, 2, H, W] are summed over time and scaled to
            the brightest pixel, OFF in blue and ON in red.
        longest: Side in pixels beyond which the picture is made smaller; its own size if None.
    """
    pixels = _summed(sample) if sample.dim() == 4 else sample
    if len(pixels) == 2:
        off, on = pixels
        pixels = torch.stack([on, torch.zeros_like(on), off])
    if len(pixels) not in (1, 3):
        return None
    rows = pixels.permute(1, 2, 0).cpu().numpy()
    picture = Image.fromarray(rows if len(pixels) == 3 else rows[:, :, 0])
    if longest is not None:
        picture.thumbnail((longest, longest))
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _summed(frames: UInt8[Tensor, "T C H W"]) -> UInt8[Tensor, "C H W"]:
    total = frames.long().sum(0)
    return (total * 255 // total.max().clamp_min(1)).to(torch.uint8)
