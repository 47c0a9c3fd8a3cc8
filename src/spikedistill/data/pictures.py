"""Pictures in files as a split: decoded once where they fit in memory, else whenever they are asked for."""

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor

from spikedistill.data.picture import bombs_refused, decode, to_pixels
from spikedistill.data.resized_crop import ResizedCrop
from spikedistill.data.split import Split, TensorSplit
from spikedistill.errors import InputError
from spikedistill.randomness import Draws

HELD = 2 * 2**30
"""Bytes of pixels that a part of a data set may take in memory; what is larger is decoded as it is read."""

AT_ONCE = 1024
"""Pictures that threads decode before they are all put in place."""

LONGEST = 100
"""Sides of pictures that are cut, longer to shorter."""


@dataclass(frozen=True)
class Fit:
    """How pictures come to one size."""

    channels: int
    """1 or 3."""
    height: int
    width: int
    resize: str = "refuse"
    """Of another size: `refuse` it, `stretch` it to this one, or `crop`. That is ImageNet's usual evaluation, whatever
    the size: the shorter side is brought to 8/7 of this one (256 for 224), bilinear, and the middle is cut."""
    advice: str = ""
    """What to do about a picture of another size; ends the message."""

    def read(self, path: Path) -> UInt8[Tensor, "C H W"]:
        """Return a picture in this size. In `bombs_refused`.

        Raises:
            InputError: it cannot be decoded, or has another size.
        """
        image = decode(path, self.channels)
        size = (self.width, self.height)
        if self.resize == "crop":
            if max(image.size) > LONGEST * min(image.size):
                raise InputError(f"{path} is {image.height} x {image.width} pixels high and wide, which is no picture.")
            return to_pixels(_middle(image, size))
        if image.size == size:
            return to_pixels(image)
        if self.resize == "refuse":
            raise InputError(
                f"{path} is {image.height} x {image.width} pixels high and wide, not {self.height} x {self.width} as "
                f"others are. {self.advice}"
            )
        return to_pixels(image.resize(size, Image.Resampling.BICUBIC))

    def read_part(self, path: Path, crop: ResizedCrop, numbers: Tensor) -> UInt8[Tensor, "C H W"]:
        """Return the part of a picture that random numbers say, in this size. Raises InputError: see `read`."""
        image = decode(path, self.channels)
        top, left, high, wide = crop.boxes(numbers[None], image.height, image.width)[0].tolist()
        part = image.crop((left, top, left + wide, top + high))
        return to_pixels(part.resize((self.width, self.height), Image.Resampling.BILINEAR))


def _middle(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the middle of a picture, as torchvision's Resize and CenterCrop do."""
    shorter = (max(size) * 8 + 3) // 7
    least = min(image.size)
    width, height = (shorter * side // least for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (round((side - wanted) / 2) for side, wanted in zip((width, height), size, strict=True))
    return image.crop((left, top, left + size[0], top + size[1]))


@dataclass(frozen=True)
class PictureSplit(Split):
    """Pictures that are decoded when they are asked for, on the CPU, and then sent to where the labels are.

    As many threads decode as torch computes with.
    """

    files: tuple[Path, ...]
    fit: Fit

    def take(self, index: Int[Tensor, " B"], view: int = 0) -> UInt8[Tensor, "B ..."]:  # noqa: ARG002
        """See `Split.take`; all views are the same. Raises InputError: a file cannot be decoded, or has another size.

        Labels are on the device that pictures are wanted on.
        """
        return self._decode(lambda _, path: self.fit.read(path), index)

    def take_transformed(
        self, transform: Callable[[Tensor, Draws], Tensor], index: Int[Tensor, " B"], view: int, draws: Draws
    ) -> UInt8[Tensor, "B ..."]:
        """See `Split.take_transformed`: random-resized-crop cuts from the picture in its file."""
        if not isinstance(transform, ResizedCrop):
            return super().take_transformed(transform, index, view, draws)
        numbers = transform.numbers(draws).cpu()
        return self._decode(lambda place, path: self.fit.read_part(path, transform, numbers[place]), index)

    def _decode(self, read: Callable[[int, Path], Tensor], index: Int[Tensor, " B"]) -> UInt8[Tensor, "B ..."]:
        files = [self.files[number] for number in index.tolist()]
        images = torch.empty(len(files), *self.shape, dtype=torch.uint8)
        with bombs_refused(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for start in range(0, len(files), AT_ONCE):
                places = range(start, min(start + AT_ONCE, len(files)))
                for place, image in zip(places, pool.map(read, places, files[start:]), strict=True):
                    images[place] = image
        return images.to(self.labels.device)

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Split.shape`; known without a look at a file."""
        return (self.fit.channels, self.fit.height, self.fit.width)

    def digest(self) -> str:
        """SHA-256 in hex of labels, shape, and the files' names and sizes in bytes.

        Not of the pixels: to decode all of a folder that does not fit in memory takes hours.
        """
        result = hashlib.sha256(f"files {len(self)} {self.fit};".encode())
        result.update(self.labels.cpu().contiguous().numpy().data)
        for path in self.files:
            result.update(os.fsencode(f"{path.parent.name}/{path.name} ") + str(path.stat().st_size).encode() + b";")
        return result.hexdigest()


def pictures(files: Sequence[Path], labels: Sequence[int], fit: Fit) -> Split:
    """Return pictures with their labels: in memory if they take less than `HELD` bytes.

    Raises:
        InputError: one cannot be decoded, or has another size; of those that stay in their files, when it is read.
    """
    split = PictureSplit(torch.tensor(labels, dtype=torch.int64), tuple(files), fit)
    if len(files) * math.prod(split.shape) > HELD:
        return split
    return TensorSplit(split.take(torch.arange(len(files))), split.labels)


def class_folders(folder: Path, what: str) -> tuple[str, ...]:
    """Return the names of the folders in a folder, which are classes, in alphabetical order.

    Raises:
        InputError: there is no such folder, or no folder in it; `what` says what it should hold.
    """
    try:
        found = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder} cannot be looked at: {error.strerror}. It should hold {what}.") from error
    if not found:
        raise InputError(f"{folder} holds no folders. It should hold {what}.")
    return tuple(found)


def files_of(folder: Path) -> list[Path]:
    """Return the files of a class in alphabetical order. Raises InputError where there are none."""
    try:
        with os.scandir(folder) as entries:  # which knows folders without a look at each file
            found = sorted(entry.name for entry in entries if not entry.name.startswith(".") and not entry.is_dir())
    except OSError as error:
        raise InputError(f"{folder} cannot be looked at: {error.strerror}.") from error
    if not found:
        raise InputError(f"The class folder {folder} is empty. Put pictures of that class there, or delete it.")
    return [folder / name for name in found]
