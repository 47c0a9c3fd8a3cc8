"""Training batches: which images come when, as a function of (seed, epoch); how they look, of (view_seed, view)."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from spikedistill.data.split import Batch, Split
from spikedistill.errors import InputError
from spikedistill.randomness import permutation


@dataclass(frozen=True)
class Batches:
    """All batches of a training. The last incomplete batch of an epoch is left out; each epoch shuffles anew."""

    split: Split
    """Augmented, where the data are."""
    batch_size: int
    seed: int
    """Of the order."""

    def __post_init__(self) -> None:
        if self.batch_size > len(self.split):
            raise InputError(
                f"batch_size {self.batch_size} is more than the {len(self.split)} training images. Take a smaller one."
            )

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self.split) // self.batch_size

    def epoch(self, epoch: int, first: int = 0, view: int | None = None) -> Iterator[Batch]:
        """Return the batches of an epoch in its order, from number `first` on, in one view of the images.

        View number `epoch` if `view` is None.
        """
        order = self.order(epoch)
        for k in range(first, len(self)):
            yield self.batch(order[k * self.batch_size : (k + 1) * self.batch_size], epoch if view is None else view)

    def order(self, epoch: int) -> Tensor:
        """Return the numbers of all images in an epoch's order, those that its batches leave out last."""
        return permutation(len(self.split), self.seed, epoch).to(self.split.labels.device)

    def batch(self, index: Tensor, view: int) -> Batch:
        """Return the images with these numbers in one view."""
        return Batch(index, view, self.split.take(index, view), self.split.labels[index])
