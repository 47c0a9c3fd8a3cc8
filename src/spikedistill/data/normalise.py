"""From uint8 samples to what a network reads, and the one place where the time of frames comes first."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def normalise(
    images: UInt8[Tensor, "B ..."] | Float[Tensor, "B ..."],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "..."]:
    """(images / 255 - mean) / std, computed in float32, in the memory format channels_last.

    Args:
        images: [B, C, H, W], or frames [B, T, C, H, W]; also as floats from 0 to 255, to which gradients go back.
        mean: Per channel, of images in [0, 1].
        std: Likewise.
        dtype: Of the result.

    Returns:
        [B, C, H, W], or frames as networks want them, [T, B, C, H, W].
    """
    if images.dim() == 5:
        frames = images.transpose(0, 1)
        return normalise(frames.flatten(0, 1), mean, std, dtype).view(frames.shape)
    scale = torch.tensor([1 / (255 * s) for s in std])
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)])
    scale, shift = (v.view(-1, 1, 1).to(images.device, non_blocking=True) for v in (scale, shift))
    x = images.to(torch.float32, memory_format=torch.channels_last)
    return (x * scale + shift).to(dtype)
