"""Which classes are taken for which."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spikedistill.evaluate.accuracy import mean_logits


@dataclass(frozen=True)
class Confusion:
    """Numbers of images."""

    matrix: tuple[tuple[int, ...], ...]
    """`matrix[true][answered]`."""

    @property
    def per_class(self) -> tuple[float | None, ...]:
        """Share of each class's images that is classified right; None of a class without images."""
        return tuple(row[k] / sum(row) if sum(row) else None for k, row in enumerate(self.matrix))


def confusion(logits: Float[Tensor, "T N K"], labels: Int[Tensor, " N"]) -> Confusion:
    """Return how often each class was answered for each: the largest of the logits' means over time."""
    classes = logits.shape[-1]
    pairs = labels * classes + mean_logits(logits).argmax(-1)
    counts = torch.bincount(pairs, minlength=classes**2).view(classes, classes)
    return Confusion(tuple(map(tuple, counts.tolist())))
