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
from typing import ClassVar, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from spikedistill.methods.divergences import cross_entropy, mean_logits, soft_cross_entropy, widened
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.methods.temporal_targets import Labelled
from spikedistill.values.checks import check_above, check_at_least, check_choice, check_share

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
class TPD(Method):
    """L = CE + weight * tau^2 * mean over t < T of CE(mean up to t, mean up to t + 1).

    Terms: `cross_entropy` and `self_distillation`; the latter is left out where its weight is 0 or T is 1.
    """

    name: ClassVar[str] = "tpd"
    needs_teacher: ClassVar[bool] = False

    weight: float = 0.3
    """Weight of what a mean learns from the next, 0 or above."""
    temperature: float = 1.0
    """tau, above 0."""
    labelled: Labelled = "steps"
    """Where labels are learned: at each time step, or from the mean of the logits over time."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_at_least(self, "weight", most=1e9)
        check_above(self, "temperature", most=1e6)
        check_choice(self, "labelled", get_args(Labelled))
        check_share(self, "label_smoothing")

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"self_distillation": self.weight * self.temperature**2}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class."""
        steps = student.logits
        read = steps if self.labelled == "steps" else mean_logits(steps)
        losses = {"cross_entropy": cross_entropy(read, labels, self.label_smoothing)}
        if self.weight > 0.0 and len(steps) > 1:
            means = cumulative_means(steps)
            losses["self_distillation"] = soft_cross_entropy(means[1:].detach(), means[:-1], self.temperature)
        return losses
