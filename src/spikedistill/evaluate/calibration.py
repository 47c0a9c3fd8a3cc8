"""Calibration: how far a network's probabilities are those with which it is right.

All is of the answer at T: probabilities are the softmax of the logits' mean over time, and the confidence is the
largest of them.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spikedistill.evaluate.accuracy import mean_logits

BINS = 15
"""Of equal width, as in Guo et al."""


@dataclass(frozen=True)
class Bin:
    """The images whose confidence is above `low` and at most `high`."""

    low: float
    high: float
    images: int
    confidence: float | None
    """Their mean confidence; None where there are none."""
    accuracy: float | None
    """Share of them that is classified right; None where there are none."""


@dataclass(frozen=True)
class Calibration:
    """What a network's probabilities are worth."""

    accuracy: float
    ece: float
    """Expected calibration error: the mean of |accuracy - confidence| over bins, each weighted by its images."""
    brier: float
    """The sum over classes of (probability - 1 for the label, or 0)^2, mean over images: from 0 to 2."""
    nll: float
    """-log of the label's probability in nats, mean over images."""
    bins: tuple[Bin, ...]
    """The reliability diagram."""


def calibration(logits: Float[Tensor, "T N K"], labels: Int[Tensor, " N"]) -> Calibration:
    """Return the calibration of a network's answers, computed in float64.

    ECE: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Eq. (2)-(5); its bins hold (low, high].
    Brier: "Verification of forecasts expressed in terms of probability", Monthly Weather Review 1950, Eq. (2).
    """
    log_probabilities = mean_logits(logits).log_softmax(-1)
    probabilities = log_probabilities.exp()
    confidence, answers = probabilities.max(-1)
    right = (answers == labels).double()
    truth = torch.nn.functional.one_hot(labels.long(), logits.shape[-1])
    bins = _bins(confidence, right)
    known = [(one.images, one.accuracy, one.confidence) for one in bins]
    gaps = [n * abs(share - mean) for n, share, mean in known if share is not None and mean is not None]
    return Calibration(
        accuracy=float(right.mean()),
        ece=math.fsum(gaps) / len(labels),
        brier=float((probabilities - truth).square().sum(-1).mean()),
        nll=-float(log_probabilities.gather(-1, labels.long()[:, None]).mean()),
        bins=bins,
    )


def _bins(confidence: Tensor, right: Tensor) -> tuple[Bin, ...]:
    edges = [k / BINS for k in range(BINS + 1)]
    place = torch.bucketize(confidence, torch.tensor(edges[1:-1], dtype=confidence.dtype))
    found = []
    for k, (low, high) in enumerate(pairwise(edges)):
        inside = place == k
        count = int(inside.sum())
        means = [float(values[inside].mean()) if count else None for values in (confidence, right)]
        found.append(Bin(low, high, count, *means))
    return tuple(found)
