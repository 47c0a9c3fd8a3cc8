"""Pictures in files as a split: decoded once where they fit in memory, else whenever they are asked for."""

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor

from spikedistill.data.picture import open_picture, to_pixels
from spikedistill.data.split import Split, TensorSplit
from spikedistill.errors import InputError

HELD = 2 * 2**30
"""Bytes of pixels that a part of a data set may take in memory; what is larger is decoded as it is read."""


@dataclass(frozen=True)
class Fit:
    """How pictures come to one size."""

    channels: int
    """1 or 3."""
    height: int
    width: int
    resize: str = "refuse"
    """Of another size: `refuse` it, `stretch` it to this one, or `crop` the middle of it, its shorter side resized to
    8/7 of this one (256 for 224) before."""
    advice: str = ""
    """What to do about a picture of another size; ends the message."""

    def read(self, path: Path) -> UInt8[Tensor, "C H W"]:
        """Return a picture in this size. Raises InputError: it cannot be decoded, or has another size."""
        image = open_picture(path, self.channels)
        size = (self.width, self.height)
        if image.size == size:
            return to_pixels(image)
        if self.resize == "refuse":
            raise InputError(
                f"{path} is {image.height} x {image.width} pixels high and wide, not {self.height} x {self.width} as "
                f"others are. {self.advice}"
            )
        if self.resize == "crop":
            scale = max(self.height / image.height, self.width / image.width) * 8 / 7
            between = (max(size[0], round(image.width * scale)), max(size[1], round(image.height * scale)))
            image = image.resize(between, Image.Resampling.BILINEAR)
            left, top = (between[0] - size[0]) // 2, (between[1] - size[1]) // 2
            return to_pixels(image.crop((left, top, left + size[0], top + size[1])))
        return to_pixels(image.resize(size, Image.Resampling.BICUBIC))


@dataclass(frozen=True)
class PictureSplit(Split):
    """Pictures that are decoded when they are asked for, on the CPU, and then sent to where the labels are."""

    files: tuple[Path, ...]
    fit: Fit

    def take(self, index: Int[Tensor, " B"], view: int = 0) -> UInt8[Tensor, "B ..."]:  # noqa: ARG002
        """See `Split.take`; all views are the same. Raises InputError: a file cannot be decoded, or has another size.

        Labels are on the device that pictures are wanted on.
        """
        wanted = index.tolist()
        images = torch.empty(len(wanted), *self.shape, dtype=torch.uint8)
        for place, number in enumerate(wanted):
            images[place] = self.fit.read(self.files[number])
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
        found = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir())
    except OSError as error:
        raise InputError(f"{folder} cannot be looked at: {error.strerror}.") from error
    if not found:
        raise InputError(f"The class folder {folder} is empty. Put pictures of that class there, or delete it.")
    return found
