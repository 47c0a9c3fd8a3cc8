"""Temporal progressive distillation (TPD): what is known after a step learns from what is known after the next.

Sun et al., "Many Eyes, One Mind: Temporal Multi-Perspective and Progressive Distillation for Spiking Neural Networks"
(MEOM), ICLR 2026, the part that needs no teacher:

    L = mean_t CE(z(t), y) + weight * tau^2 * mean_{t < T} -sum_k softmax(m(t + 1) / tau)_k log softmax(m(t) / tau)_k
    m(t) = mean of z(1), ..., z(t)

It is a cross-entropy of cumulative means on both sides, not of steps, and so not one of `temporal_targets`: that of the
last time step is the network's answer, and every earlier answer learns to give it sooner. With one time step there is
nothing to learn, and the term is left out.

The paper's text and code were not at hand; known are the two sides and the weight, 0.3. Chosen here: the later mean
teaches without gradient, tau = 1, and labels are learned at each time step (`labelled="mean"` for the mean over time).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from spikedistill.methods.divergences import soft_cross_entropy, widened
from spikedistill.methods.temporal_targets import Labelled, Logits, SelfTaught

CITATION = """\
@inproceedings{sun2026many,
  title     = {Many Eyes, One Mind: Temporal Multi-Perspective and Progressive Distillation for Spiking Neural
               Networks},
  author    = {Sun, Kai and Duan, Peibo and Huang, Yongsheng and Gong, Nanxu and Kuhlmann, Levin},
  booktitle = {International Conference on Learning Representations},
  year      = {2026}
}
"""


def cumulative_means(logits: Float[Tensor, "T B K"]) -> Float[Tensor, "T B K"]:
    """Mean of the logits up to and with each time step."""
    steps = widened(logits)
    counts = torch.arange(1, len(steps) + 1, device=steps.device, dtype=steps.dtype)
    return steps.cumsum(dim=0) / counts[:, None, None]


@dataclass(frozen=True)
class TPD(SelfTaught):
    """L = CE + weight * tau^2 * mean over t < T of CE(mean up to t, mean up to t + 1); of one step CE alone."""

    name: ClassVar[str] = "tpd"

    weight: float = 0.3
    """Weight of what a mean learns from the next, 0 or above."""
    temperature: float = 1.0
    """tau, above 0."""
    labelled: Labelled = "steps"
    """Where labels are learned: at each time step, or from the mean of the logits over time."""

    def self_distillation(self, steps: Logits) -> Float[Tensor, ""] | None:
        """The cross-entropy of each mean to the next; None of one step."""
        if len(steps) == 1:
            return None
        means = cumulative_means(steps)
        return soft_cross_entropy(means[1:].detach(), means[:-1], self.temperature)
