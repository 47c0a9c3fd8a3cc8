"""What a network answers to the images of each class, on average."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

DIGITS = 6
"""Decimals that are kept: of many classes there are many numbers."""


def mean_by_class(
    probabilities: Float[Tensor, "N K"], labels: Int[Tensor, " N"]
) -> tuple[tuple[float, ...] | None, ...]:
    """Return the mean probabilities of the images of each true class, in its place; None for one without images.

    Figure 3 of Xu et al., "Reversing Structural Pattern Learning with Biologically Inspired Knowledge Distillation for
    Spiking Neural Networks", ACM Multimedia 2024, shows such of a teacher, a pruned one and a virtual one.
    """
    classes = probabilities.shape[-1]
    totals = torch.zeros(classes, classes, dtype=torch.float64).index_add(0, labels.long(), probabilities.double())
    counts = torch.bincount(labels.long(), minlength=classes)
    means = (totals / counts.clamp_min(1)[:, None]).tolist()
    return tuple(
        tuple(round(share, DIGITS) for share in row) if count else None
        for row, count in zip(means, counts.tolist(), strict=True)
    )
