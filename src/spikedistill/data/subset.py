"""Parts of a labelled set, chosen at random but the same in every run."""

import torch
from jaxtyping import Int
from torch import Tensor

from spikedistill.randomness import Stream, permutation


def balanced(labels: Int[Tensor, " N"], size: int) -> Int[Tensor, " size"]:
    """Indices of `size` samples in ascending order, the same number of each class as far as that goes.

    Counts differ by one where size is no multiple of the classes; a class that is too small gives all it has.
    """
    rank, _ = _ranks(labels)
    return _first(rank.to(torch.float64), size)


def proportional(labels: Int[Tensor, " N"], size: int) -> Int[Tensor, " size"]:
    """Indices of `size` samples in ascending order, each class with its share in the whole.

    To within half a sample and K / 2 times the class's share in the whole, with K classes: one sample where they are
    equally large.
    """
    rank, count = _ranks(labels)
    return _first((rank + 0.5) / count, size)


def rest(index: Int[Tensor, " M"], n: int) -> Int[Tensor, " R"]:
    """The numbers 0 to n - 1 that are not in `index`, in ascending order."""
    left = torch.ones(n, dtype=torch.bool)
    left[index] = False
    return left.nonzero().squeeze(1)


def _ranks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Each sample's place in a random order of its class, from 0, and the size of its class."""
    shuffled = permutation(len(labels), 0, 0, Stream.SUBSET)
    by_class = shuffled[torch.argsort(labels[shuffled], stable=True)]
    counts = torch.bincount(labels)
    starts = counts.cumsum(0) - counts
    rank = torch.empty_like(labels)
    rank[by_class] = torch.arange(len(labels)) - starts[labels[by_class]]
    return rank, counts[labels]


def _first(key: Tensor, size: int) -> Tensor:
    """Indices of the `size` smallest keys, ascending; ties fall in random order."""
    shuffled = permutation(len(key), 0, 1, Stream.SUBSET)
    return shuffled[torch.argsort(key[shuffled], stable=True)][:size].sort().values
