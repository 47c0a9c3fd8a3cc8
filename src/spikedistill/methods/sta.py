"""Similarity-aware temporal alignment (STA): each time step learns from a mixture of the others.

Sun et al., "Not All Timesteps Matter Equally: Selective Alignment Knowledge Distillation for Spiking Neural Networks"
(SeAl-KD), 2026, the part that needs no teacher:

    L = mean_t CE(z(t), y) + weight * tau^2 * mean_t KL(softmax(target[t] / tau) || softmax(z(t) / tau))
    target[t] = sum over j != t of w[t, j] z(j)
    w[t] = softmax over j != t of c(j) * cos(z(t), z(j)),   c(j) = 1 - H(softmax(z(j))) / log K

Steps that are sure and alike count more. The mixture is one of logits, without gradient, and the weights have no
temperature, as in public code; tau = 3 and weight = 0.15 are its values. SeAl-KD also changes student's and teacher's
logits where a step is wrong (ELA), which this is not.
"""

from dataclasses import dataclass
from typing import ClassVar

from spikedistill.methods.temporal_targets import Labelled, Lessons, Logits, SelfTaught, mixture_of_others

CITATION = """\
@article{sun2026not,
  title   = {Not All Timesteps Matter Equally: Selective Alignment Knowledge Distillation for Spiking Neural Networks},
  author  = {Sun, Kai and Duan, Peibo and Huang, Yongsheng and Zhang, Guowei and Smith, Benjamin and Gong, Nanxu
             and Kuhlmann, Levin},
  journal = {arXiv preprint arXiv:2605.14252},
  year    = {2026}
}
"""


@dataclass(frozen=True)
class STA(SelfTaught):
    """L = CE + weight * tau^2 * mean_t KL to the mixture of the other steps."""

    name: ClassVar[str] = "sta"

    weight: float = 0.15
    """Weight of the alignment, 0 or above."""
    temperature: float = 3.0
    """tau, above 0."""
    labelled: Labelled = "steps"
    """Where labels are learned: at each time step (public code), or from the mean of the logits over time."""

    def lessons(self, steps: Logits) -> Lessons:
        """Each step learns from a mixture of the others."""
        return mixture_of_others(steps)
