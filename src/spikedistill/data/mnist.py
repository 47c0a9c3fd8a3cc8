"""MNIST (LeCun et al., 1998) and Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 28 x 28 grey images, ten classes."""

import contextlib
import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

import torch
from torch import Tensor

from spikedistill.data.dataset import Dataset
from spikedistill.data.files import data_root, download, ensure, open_file, what_to_replace
from spikedistill.data.published import check_published
from spikedistill.data.split import TensorSplit
from spikedistill.errors import InputError


@dataclass(frozen=True)
class IdxDataset(Dataset):
    """Four files in MNIST's format, below the root where torchvision puts them; each plain or gzipped."""

    abstract: ClassVar[bool] = True
    classes: ClassVar[int] = 10
    folder: ClassVar[str]
    """Below the root."""
    address: ClassVar[str]
    """Where the files are published."""
    checksums: ClassVar[tuple[str, str, str, str]]
    """MD5 of the published gzip files, in the order of `files`."""
    files: ClassVar[tuple[str, str, str, str]] = (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        """One channel of 28 x 28."""
        return (1, 28, 28)

    def _read(self) -> tuple[TensorSplit, TensorSplit]:
        root = data_root(self.root)
        folder = root / self.folder
        wanted = [f"{name}.gz" for name in self.files]

        def absent() -> list[str]:
            return [f"{name}.gz" for name in self.files if not _find(folder, name).exists()]

        ensure(folder, wanted, absent, root, self._fetch)
        train = self._read_split(folder, *self.files[:2], self.train_counts)
        test = self._read_split(folder, *self.files[2:], self.test_counts)
        return train, test

    def _fetch(self, folder: Path) -> None:
        for name, md5 in zip(self.files, self.checksums, strict=True):
            download(f"{self.address}{name}.gz", folder / f"{name}.gz", md5)

    def _read_split(self, folder: Path, image_file: str, label_file: str, counts: tuple[int, ...]) -> TensorSplit:
        number = sum(counts)
        images = read_idx(_find(folder, image_file), (number, *self.shape[1:]))
        labels_path = _find(folder, label_file)
        labels = read_idx(labels_path, (number,))
        return check_published(images, labels, self.shape, counts, what_to_replace(labels_path, folder))


@dataclass(frozen=True)
class MNIST(IdxDataset):
    """60000 and 10000 handwritten digits, in <root>/MNIST/raw."""

    name: ClassVar[str] = "mnist"
    train_counts: ClassVar[tuple[int, ...]] = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    test_counts: ClassVar[tuple[int, ...]] = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    folder: ClassVar[str] = "MNIST/raw"
    address: ClassVar[str] = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    checksums: ClassVar[tuple[str, str, str, str]] = (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    )

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.1307,)

    @property
    def std(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.3081,)


@dataclass(frozen=True)
class FashionMNIST(IdxDataset):
    """60000 and 10000 pieces of clothing, in <root>/FashionMNIST/raw."""

    name: ClassVar[str] = "fashion-mnist"
    train_counts: ClassVar[tuple[int, ...]] = (6000,) * 10
    test_counts: ClassVar[tuple[int, ...]] = (1000,) * 10
    folder: ClassVar[str] = "FashionMNIST/raw"
    address: ClassVar[str] = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    checksums: ClassVar[tuple[str, str, str, str]] = (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    )

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.2860,)

    @property
    def std(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.3530,)


def read_idx(path: Path, shape: tuple[int, ...]) -> Tensor:
    """The unsigned bytes of a file in MNIST's IDX format, plain or gzipped, as uint8 of this shape.

    The format: two zero bytes, 8 for unsigned bytes, the number of dimensions; the dimensions as big-endian 32 bits;
    the values.

    Raises:
        InputError: the file cannot be read, is truncated or is not of this format and shape.
    """
    header = bytes((0, 0, 8, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape)
    number = math.prod(shape)
    try:
        with _open(path) as file:
            found = file.read(len(header))
            # Not one byte more than is needed, whatever a damaged file unpacks to.
            values = bytearray(file.read(number + 1)) if found == header else bytearray()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"Unreadable: {error}. {what_to_replace(path, path.parent)}") from error
    if found != header:
        raise InputError(
            f"The header is {found.hex(' ', 4)}; {header.hex(' ', 4)} is that of unsigned bytes of shape {shape}. "
            f"{what_to_replace(path, path.parent)}"
        )
    if len(values) != number:
        amount = "more" if len(values) > number else f"{len(values)}"
        raise InputError(f"{amount} values after the header; expected {number}. {what_to_replace(path, path.parent)}")
    return torch.frombuffer(values, dtype=torch.uint8).reshape(shape)


def _find(folder: Path, name: str) -> Path:
    """The plain file if it is there, else the gzipped one, there or not."""
    plain = folder / name
    return plain if plain.exists() else folder / f"{name}.gz"


@contextlib.contextmanager
def _open(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    with open_file(path) as file:
        yield gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
