"""CIFAR-10 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009): 32 x 32, ten classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

import torch

from spikedistill.data.cifar import CifarDataset
from spikedistill.data.colour import luma
from spikedistill.data.split import TensorSplit
from spikedistill.errors import InputError, nearest

Channels = Literal["rgb", "grey"]


@dataclass(frozen=True)
class CIFAR10(CifarDataset):
    """50000 and 10000 small photographs, in <root>/cifar-10-batches-py: the files of the "python version"."""

    name: ClassVar[str] = "cifar10"
    classes: ClassVar[int] = 10
    train_counts: ClassVar[tuple[int, ...]] = (5000,) * 10
    test_counts: ClassVar[tuple[int, ...]] = (1000,) * 10
    folder: ClassVar[str] = "cifar-10-batches-py"
    train_files: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{k}" for k in range(1, 6))
    test_files: ClassVar[tuple[str, ...]] = ("test_batch",)
    address: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    checksum: ClassVar[str] = "c58f30108f718f92721af3b95e74349a"
    most_bytes: ClassVar[int] = 64_000_000

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

    def _read_split(self, folder: Path, names: tuple[str, ...], counts: tuple[int, ...]) -> TensorSplit:
        split = super()._read_split(folder, names, counts)
        if self.channels == "rgb":
            return split
        return TensorSplit(torch.cat([luma(part) for part in split.images.split(1000)]), split.labels)
