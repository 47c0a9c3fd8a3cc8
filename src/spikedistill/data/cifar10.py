"""CIFAR-10 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009): 32 x 32, ten classes."""

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from spikedistill.data import unpickle
from spikedistill.data.colour import luma
from spikedistill.data.dataset import Dataset
from spikedistill.data.files import data_root, download, ensure, open_file, what_to_replace
from spikedistill.data.published import check_published
from spikedistill.data.split import TensorSplit
from spikedistill.errors import LONGEST_SHOWN, InputError, nearest

Channels = Literal["rgb", "grey"]

MOST_BYTES = 64_000_000
"""Of a file; the published ones have 31 million, and up to twice as many when Python 3 has written them anew."""


@dataclass(frozen=True)
class CIFAR10(Dataset):
    """50000 and 10000 small photographs, in <root>/cifar-10-batches-py: the files of the "python version"."""

    name: ClassVar[str] = "cifar10"
    classes: ClassVar[int] = 10
    train_counts: ClassVar[tuple[int, ...]] = (5000,) * 10
    test_counts: ClassVar[tuple[int, ...]] = (1000,) * 10
    folder: ClassVar[str] = "cifar-10-batches-py"
    """Below the root, and in the archive."""
    train_files: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{k}" for k in range(1, 6))
    test_files: ClassVar[tuple[str, ...]] = ("test_batch",)
    address: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    checksum: ClassVar[str] = "c58f30108f718f92721af3b95e74349a"

    channels: Channels = "rgb"
    """Colour, or grey as in Distilling Spikes (1 x 32 x 32): the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B,
    rounded, the same as Pillow's mode "L"."""

    def __post_init__(self) -> None:
        super().__post_init__()
        allowed = get_args(Channels)
        if self.channels not in allowed:
            raise InputError(
                f"Unknown channels {self.channels!r}.{nearest(self.channels, allowed)} Allowed: {', '.join(allowed)}."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Three channels or one, of 32 x 32."""
        return (3 if self.channels == "rgb" else 1, 32, 32)

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.4914, 0.4822, 0.4465) if self.channels == "rgb" else (0.4809,)

    @property
    def std(self) -> tuple[float, ...]:
        """Of the training images, over all pixels; the (0.2023, 0.1994, 0.2010) of some code is the mean over images
        of each image's own deviation.
        """
        return (0.2470, 0.2435, 0.2616) if self.channels == "rgb" else (0.2392,)

    def _read(self) -> tuple[TensorSplit, TensorSplit]:
        root = data_root(self.root)
        folder = root / self.folder
        wanted = [*self.train_files, *self.test_files]

        def absent() -> list[str]:
            return [name for name in wanted if not (folder / name).exists()]

        ensure(folder, wanted, absent, root, self._fetch)
        train = self._read_split(folder, self.train_files, self.train_counts)
        return train, self._read_split(folder, self.test_files, self.test_counts)

    def _fetch(self, folder: Path) -> None:
        archive = folder / Path(self.address).name
        download(self.address, archive, self.checksum)
        try:
            with tarfile.open(archive) as tar:
                for name in (*self.train_files, *self.test_files):
                    member = tar.extractfile(f"{self.folder}/{name}")
                    assert member is not None, f"{name} is a folder in the archive with the published checksum"
                    (folder / name).write_bytes(member.read())
        finally:
            archive.unlink()

    def _read_split(self, folder: Path, names: tuple[str, ...], counts: tuple[int, ...]) -> TensorSplit:
        batches = [read_batch(folder / name) for name in names]
        images = torch.from_numpy(np.concatenate([images for images, _ in batches]))
        labels = torch.from_numpy(np.concatenate([labels for _, labels in batches]))
        wrong = what_to_replace(folder / (names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"), folder)
        split = check_published(images, labels, (3, 32, 32), counts, wrong)
        if self.channels == "rgb":
            return split
        return TensorSplit(torch.cat([luma(part) for part in split.images.split(1000)]), split.labels)


def read_batch(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images uint8 [N, 3072] and labels int64 [N] of one file.

    Raises:
        InputError: the file cannot be read, is damaged, or holds something else.
    """
    wrong = what_to_replace(path, path.parent)
    try:
        with open_file(path, MOST_BYTES) as file:
            content = unpickle.loads(file.read())
    except unpickle.RefusedError as error:
        raise InputError(
            f"The pickle wants {error}; only arrays, lists, dicts, strings and numbers are admitted. {wrong}"
        ) from error
    except Exception as error:  # A damaged pickle fails in any way at all.
        raise InputError(f"Unreadable: {type(error).__name__}: {str(error)[:LONGEST_SHOWN]}. {wrong}") from error
    if not isinstance(content, dict):
        raise InputError(f"The pickle holds a {type(content).__name__}; expected a dict. {wrong}")
    entries = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}
    images, labels = entries.get("data"), entries.get("labels")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072:
        raise InputError(f"'data' is {_describe(images)}; expected uint8 of shape (N, 3072). {wrong}")
    if not isinstance(labels, list) or len(labels) != len(images) or not all(map(_whole, labels)):
        raise InputError(f"'labels' is {_describe(labels)}; expected a list of {len(images)} whole numbers. {wrong}")
    return images, np.array(labels, np.int64)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and abs(value) < 1 << 31


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "missing" if value is None else f"a {type(value).__name__}"
