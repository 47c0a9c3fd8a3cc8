"""CIFAR-100 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009): 32 x 32, 100 classes."""

from dataclasses import dataclass
from typing import ClassVar

from spikedistill.data.cifar import CifarDataset


@dataclass(frozen=True)
class CIFAR100(CifarDataset):
    """50000 and 10000 small photographs with their fine labels, in <root>/cifar-100-python.

    The statistics are those of public code (weiaicunzai/pytorch-cifar100, rounded); they have not been measured here.
    """

    name: ClassVar[str] = "cifar100"
    classes: ClassVar[int] = 100
    train_counts: ClassVar[tuple[int, ...]] = (500,) * 100
    test_counts: ClassVar[tuple[int, ...]] = (100,) * 100
    folder: ClassVar[str] = "cifar-100-python"
    train_files: ClassVar[tuple[str, ...]] = ("train",)
    test_files: ClassVar[tuple[str, ...]] = ("test",)
    address: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    checksum: ClassVar[str] = "eb9058c3a382ffc7106e4002c42a8d85"
    labels: ClassVar[str] = "fine_labels"
    most_bytes: ClassVar[int] = 320_000_000

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.5071, 0.4865, 0.4409)

    @property
    def std(self) -> tuple[float, ...]:
        """Of the training images, over all pixels."""
        return (0.2673, 0.2564, 0.2762)
