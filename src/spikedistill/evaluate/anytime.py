"""Accuracy against time: what a network answers after each step, and when it could stop.

The networks here are causal: in eval mode norms are fixed, and neurons know no current of a later step. So the first t
logits of a run of T steps are those of a run of t steps, and one pass at T gives all of them; layers before the first
neurons answer a still image once for all steps, whatever T is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spikedistill.evaluate.accuracy import AT_A_TIME

THRESHOLDS = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)
"""Confidences at which images stop; at 0 all do after the first step."""
EACH = 16
"""T up to which every step is shown; beyond it powers of two."""


@dataclass(frozen=True)
class Exit:
    """All images, each stopped as soon as the network is sure enough."""

    threshold: float
    accuracy: float
    """Share of images whose answer when they stop is right."""
    stopped: tuple[float, ...]
    """Share of images that stop after step t, by step."""

    @property
    def steps(self) -> float:
        """Mean of the steps that images take."""
        return sum(t * share for t, share in enumerate(self.stopped, 1))


def shown_steps(steps: int) -> list[int]:
    """Return the t at which a network of T steps is looked at: all up to T = 16, else 1, 2, 4, 8, ... and T."""
    if steps <= EACH:
        return list(range(1, steps + 1))
    return [2**k for k in range((steps - 1).bit_length())] + [steps]


def early_exit(
    logits: Float[Tensor, "T N K"], labels: Int[Tensor, " N"], thresholds: Sequence[float] = THRESHOLDS
) -> list[Exit]:
    """Stop each image at the first t at which the confidence reaches a threshold, and at T at the latest.

    The confidence at t is the largest softmax probability of the mean of the logits of steps 1 to t, and the answer its
    class; float64. Li et al., "SEENN: Towards Temporal Spiking Early-Exit Neural Networks", NeurIPS 2023, call it
    SEENN-I.
    """
    parts = [_after_each_step(part) for part in logits.split(AT_A_TIME, dim=1)]
    confidence, answers = (torch.cat(each, dim=1) for each in zip(*parts, strict=True))
    right = answers == labels
    last = len(logits) - 1
    found = []
    for threshold in thresholds:
        sure = confidence >= threshold
        at = torch.where(sure.any(0), sure.int().argmax(0), last)
        stopped = torch.bincount(at, minlength=last + 1).double() / len(labels)
        share = right.gather(0, at[None])[0].double().mean()
        found.append(Exit(threshold, float(share), tuple(stopped.tolist())))
    return found


def running_means(logits: Float[Tensor, "T N K"]) -> Float[Tensor, "T N K"]:
    """Return the means of the logits of steps 1 to t, by t; float64."""
    steps = torch.arange(1, len(logits) + 1, dtype=torch.float64)
    return logits.cumsum(0).double() / steps[:, None, None]


def _after_each_step(logits: Float[Tensor, "T N K"]) -> tuple[Float[Tensor, "T N"], Int[Tensor, "T N"]]:
    confidence, answers = running_means(logits).softmax(-1).max(-1)
    return confidence, answers
