"""What every data set is: a value that says which images and which augmentation, and loads them as uint8 tensors."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from jaxtyping import Int, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Augment:
    """Augmentation of training images; every choice is a function of (seed, epoch, index). All off by default.

    Applied in this order: crop, flip, policy, cutout, as in the public code of the SNN literature.
    """

    crop: int = 0
    """Zero padding in pixels around the image before a random crop back to its size; 0 for none."""
    flip: bool = False
    """Mirror left to right with probability 1/2."""
    policy: Literal["none", "cifar10"] = "none"
    """AutoAugment's CIFAR-10 policy (Cubuk et al., CVPR 2019), or none."""
    cutout: int = 0
    """Side in pixels of the square that cutout (DeVries and Taylor, 2017) sets to the mean; 0 for none."""


@dataclass(frozen=True)
class Split:
    """Images and labels of one part of a data set."""

    images: UInt8[Tensor, "N C H W"]
    labels: Int[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Splits:
    """The parts of a loaded data set."""

    train: Split
    validation: Split | None
    """Held out from the published training set; None where the data set asks for none."""
    test: Split


@dataclass(frozen=True)
class Dataset:
    """Base of all data sets."""

    shape: ClassVar[tuple[int, int, int]]
    """Channels, height, width."""
    classes: ClassVar[int]
    mean: ClassVar[tuple[float, ...]]
    """Per channel, of the published training images scaled to [0, 1]."""
    std: ClassVar[tuple[float, ...]]
    """Likewise."""

    root: str = field(default="", metadata={"place": True})
    """Folder that holds the published files; SPIKEDISTILL_DATA where empty. Says where, not what: not in the hash."""
    train_size: int = 0
    """Number of training images to keep, the same number of each class where possible; 0 keeps all."""
    validation: int = 0
    """Number of training images to hold out as a validation split, before `train_size` is applied."""
    augment: Augment = Augment()
    """Augmentation of the training images."""

    def load(self) -> Splits:
        """Read, check and split. Raises InputError where files are missing, damaged or not what they should be."""
        raise NotImplementedError
