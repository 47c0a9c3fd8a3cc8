"""Grey from colour."""

import torch
from jaxtyping import UInt8
from torch import Tensor

WEIGHTS = (19595, 38470, 7471)
"""0.299, 0.587 and 0.114 in units of 2^-16: the luma of ITU-R BT.601."""


def luma(images: UInt8[Tensor, "N 3 H W"]) -> UInt8[Tensor, "N 1 H W"]:
    """Luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, rounded; bit for bit what Pillow's mode "L" gives."""
    total = torch.full_like(images[:, 0], 1 << 15, dtype=torch.int32)
    for channel, weight in enumerate(WEIGHTS):
        total.add_(images[:, channel], alpha=weight)
    return (total >> 16).to(torch.uint8).unsqueeze(1)
