"""Training batches: which images come when, as a function of (seed, epoch) alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Int, UInt8
from torch import Tensor

from spikedistill.data.augment import augment
from spikedistill.data.dataset import Dataset, Split
from spikedistill.errors import InputError
from spikedistill.randomness import permutation


@dataclass(frozen=True)
class Batch:
    """Augmented images and what they are."""

    index: Int[Tensor, " B"]
    """Positions in the split."""
    images: UInt8[Tensor, "B C H W"]
    """Augmented images."""
    labels: Int[Tensor, " B"]
    """Classes."""


@dataclass(frozen=True)
class Batches:
    """All batches of a training. The last incomplete batch of an epoch is left out; each epoch shuffles anew."""

    split: Split
    data: Dataset
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.batch_size > len(self.split):
            raise InputError(
                f"batch_size {self.batch_size} is more than the {len(self.split)} training images. Take a smaller one."
            )

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self.split) // self.batch_size

    def epoch(self, epoch: int, first: int = 0, view: int | None = None) -> Iterator[Batch]:
        """Return the batches of an epoch in its order, from number `first` on, in the augmentation of epoch `view`.

        The epoch's own augmentation if `view` is None.
        """
        order = self.order(epoch)
        for k in range(first, len(self)):
            yield self.batch(order[k * self.batch_size : (k + 1) * self.batch_size], epoch if view is None else view)

    def order(self, epoch: int) -> Tensor:
        """Return the numbers of all images in an epoch's order, those that its batches leave out last."""
        return permutation(len(self.split), self.seed, epoch).to(self.split.labels.device)

    def batch(self, index: Tensor, view: int) -> Batch:
        """Return the images with these numbers in the augmentation of epoch `view`."""
        images = augment(self.split.images[index], index, self.data, self.seed, view)
        return Batch(index, images, self.split.labels[index])
