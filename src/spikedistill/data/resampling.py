"""Images read at other places: the geometry of augmentation."""

from jaxtyping import Int, UInt8
from torch import Tensor


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
    batch, channels, height, width = images.shape
    outside = (y < 0) | (y >= height) | (x < 0) | (x >= width)
    flat = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).view(batch, 1, -1).expand(-1, channels, -1)
    out = images.flatten(2).gather(2, flat).view(images.shape)
    return out.masked_fill_(outside[:, None], fill)
