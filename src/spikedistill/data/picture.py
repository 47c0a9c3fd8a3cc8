"""A picture from a file, as a data set's images are."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from spikedistill.errors import InputError, shown

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
"""What is decoded: formats of pixels, none that starts another program (as Pillow's EPS starts Ghostscript)."""
MOST_PIXELS = 100_000_000
MODES = {1: "L", 3: "RGB"}


def read_picture(path: Path, shape: tuple[int, int, int], resize: bool = False) -> UInt8[Tensor, "C H W"]:
    """Return a picture as uint8 [C, H, W]; of an animation the first frame.

    Colours become grey by the luma of ITU-R BT.601, grey becomes three equal channels; what is transparent lies on
    black; a camera's note on how it was held is followed.

    Args:
        path: The file, in one of `FORMATS`.
        shape: Channels (1 or 3), height and width that are wanted.
        resize: Bring a picture of another size to that one instead of refusing it: bicubic, whatever its sides' ratio.

    Raises:
        InputError: there is no such file, it cannot be decoded, or it has another size.
    """
    channels, height, width = shape
    if channels not in MODES:
        raise InputError(f"Pictures have 1 or 3 channels, and the network reads {channels}.")
    image = open_picture(path, channels)
    if image.size != (width, height):
        if not resize:
            given = f"{image.height} x {image.width}"
            raise InputError(f"{path} is {given} pixels high and wide, not {height} x {width}. Resize it: --resize.")
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return to_pixels(image)


def open_picture(path: Path, channels: int) -> Image.Image:
    """Return a picture of 1 or 3 channels in its own size; see `read_picture`, which raises the same."""
    with bombs_refused():
        return decode(path, channels)


@contextlib.contextmanager
def bombs_refused() -> Iterator[None]:
    """Have Pillow refuse small files of absurdly many pixels. For the whole process: threads are begun inside."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode(path: Path, channels: int) -> Image.Image:
    """Do what `open_picture` does; called in `bombs_refused`, and then from any thread."""
    if not path.is_file():
        raise InputError(f"There is no picture {shown(str(path))}.")
    image = _decode(path)
    if image.mode[0] in "IF":
        raise InputError(f"{path} has more than 8 bits a channel ({image.mode}). Save it with 8.")
    return _converted(ImageOps.exif_transpose(image), MODES[channels])


def to_pixels(image: Image.Image) -> UInt8[Tensor, "C H W"]:
    """Return a picture of mode L or RGB as a tensor."""
    pixels = torch.from_numpy(np.array(image, np.uint8))
    return pixels.view(image.height, image.width, -1).permute(2, 0, 1).contiguous()


def _decode(path: Path) -> Image.Image:
    """Return all pixels of a file's first frame."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(f"{path} has {image.width} x {image.height} pixels. Make it smaller first.")
            image.load()
            return image.copy()
    except InputError:
        raise
    except Exception as error:  # A damaged picture fails in any way at all.
        known = ", ".join(FORMATS)
        raise InputError(f"{path} cannot be decoded as a picture ({known}): {type(error).__name__}: {error}") from error


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return image.convert(mode)
