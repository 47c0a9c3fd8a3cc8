"""The files of CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009)."""

import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from spikedistill.data import unpickle
from spikedistill.data.dataset import Dataset
from spikedistill.data.files import data_root, download, ensure, open_file, what_to_replace
from spikedistill.data.published import check_published
from spikedistill.data.split import TensorSplit
from spikedistill.errors import LONGEST_SHOWN, InputError


@dataclass(frozen=True)
class CifarDataset(Dataset):
    """Small photographs, 32 x 32 in colour, in the pickles of the "python version"."""

    abstract: ClassVar[bool] = True

    folder: ClassVar[str]
    """Below the root, and in the archive."""
    train_files: ClassVar[tuple[str, ...]]
    test_files: ClassVar[tuple[str, ...]]
    address: ClassVar[str]
    checksum: ClassVar[str]
    """MD5 of the archive."""
    labels: ClassVar[str] = "labels"
    """What the files call them."""
    most_bytes: ClassVar[int]
    """Of a file; more than twice as many as the published ones have: they grow when Python 3 writes them anew."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Three channels of 32 x 32."""
        return (3, 32, 32)

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
                    # By name, and plain files only: no name in the archive says where anything is written.
                    member = tar.getmember(f"{self.folder}/{name}")
                    content = tar.extractfile(member) if member.isreg() and member.size <= self.most_bytes else None
                    if content is None:
                        raise KeyError(f"{name} is no file")
                    (folder / name).write_bytes(content.read())
        except (tarfile.TarError, KeyError, EOFError, zlib.error) as error:
            raise InputError(f"{self.address} is not the published archive: {error}.") from error
        finally:
            archive.unlink()

    def _read_split(self, folder: Path, names: tuple[str, ...], counts: tuple[int, ...]) -> TensorSplit:
        batches = [read_batch(folder / name, self.labels, self.most_bytes) for name in names]
        images = torch.from_numpy(np.concatenate([images for images, _ in batches]))
        labels = torch.from_numpy(np.concatenate([labels for _, labels in batches]))
        wrong = what_to_replace(folder / (names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"), folder)
        return check_published(images, labels, (3, 32, 32), counts, wrong)


def read_batch(path: Path, label_entry: str, most: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images uint8 [N, 3072] and labels int64 [N] of one file.

    Args:
        path: The file.
        label_entry: What it calls its labels.
        most: Bytes that it may have.

    Raises:
        InputError: the file cannot be read, is damaged, or holds something else.
    """
    wrong = what_to_replace(path, path.parent)
    try:
        with open_file(path, most) as file:
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
    images, labels = entries.get("data"), entries.get(label_entry)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072:
        raise InputError(f"'data' is {_describe(images)}; expected uint8 of shape (N, 3072). {wrong}")
    if not isinstance(labels, list) or len(labels) != len(images) or not all(map(_whole, labels)):
        raise InputError(
            f"{label_entry!r} is {_describe(labels)}; expected a list of {len(images)} whole numbers. {wrong}"
        )
    return images, np.array(labels, np.int64)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and abs(value) < 1 << 31


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "missing" if value is None else f"a {type(value).__name__}"
