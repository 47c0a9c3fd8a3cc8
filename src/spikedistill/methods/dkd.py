"""Decoupled knowledge distillation (DKD): the label's class and the other classes, each with a weight of its own.

Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022, Eq. (7) and Algorithm 1:

    L = CE(q, y) + alpha * tau^2 * TCKD + beta * tau^2 * NCKD
    TCKD = KL(b_T || b_S), b = (p_y, 1 - p_y): the label's probability against all others together
    NCKD = KL(p^_T || p^_S), p^ = the probabilities of the classes that are not the label, scaled to a sum of 1

KL(p_T || p_S) = TCKD + (1 - p_y of the teacher) * NCKD (Eq. 5): in ordinary distillation a teacher that is sure of the
label says next to nothing of the other classes. Here `beta` stands in place of 1 - p_y.

The method is made for ordinary networks. A spiking student's outputs are their mean over time here, as in `VanillaKD`.

Both KL terms are multiplied by a factor that grows from 0 to 1 at the beginning, as beta makes them large there: in
public code min(epoch / 20, 1), of 240 epochs that count from 1. Here it grows with every step during the share `warmup`
of the training, by default the same 20 / 240; `warmup=0` has the terms in full from the first step.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from spikedistill.methods.divergences import cross_entropy, mean_logits, target_logits, widened
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_above, check_at_least, check_share

CITATION = """\
@inproceedings{zhao2022decoupled,
  title     = {Decoupled Knowledge Distillation},
  author    = {Zhao, Borui and Cui, Quan and Song, Renjie and Qiu, Yiyu and Liang, Jiajun},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  pages     = {11953--11962},
  year      = {2022}
}
"""


def tckd(
    teacher: Float[Tensor, "#T B K"], student: Float[Tensor, "T B K"], labels: Int[Tensor, " B"], temperature: float
) -> Float[Tensor, ""]:
    """Target class knowledge distillation, Eq. (5): mean over time and batch of the KL of (p_y, 1 - p_y)."""
    label = _label_mask(teacher, labels)
    p, q = (_log_binary(logits, label, temperature) for logits in (teacher, student))
    return (p.exp() * (p - q)).sum(dim=-1).mean()


def nckd(
    teacher: Float[Tensor, "#T B K"], student: Float[Tensor, "T B K"], labels: Int[Tensor, " B"], temperature: float
) -> Float[Tensor, ""]:
    """Non-target class knowledge distillation, Eq. (5): mean over time and batch of the KL among the other classes."""
    label = _label_mask(teacher, labels)
    p, q = (_log_others(logits, label, temperature) for logits in (teacher, student))
    # At the label both logarithms are arbitrary; its share in the sum is 0.
    return (p.exp() * (p - q)).masked_fill(label, 0.0).sum(dim=-1).mean()


def _label_mask(logits: Float[Tensor, "T B K"], labels: Int[Tensor, " B"]) -> Bool[Tensor, "B K"]:
    return torch.arange(logits.shape[-1], device=logits.device) == labels[:, None]


def _log_binary(logits: Tensor, label: Tensor, temperature: float) -> Float[Tensor, "T B 2"]:
    """Logarithms of (p_y, 1 - p_y), the latter as a sum over the other classes, which does not cancel."""
    log_p = F.log_softmax(widened(logits) / temperature, dim=-1)
    of_label = log_p.masked_fill(~label, 0.0).sum(dim=-1)
    of_others = log_p.masked_fill(label, -torch.inf).logsumexp(dim=-1)
    return torch.stack((of_label, of_others), dim=-1)


def _log_others(logits: Tensor, label: Tensor, temperature: float) -> Float[Tensor, "T B K"]:
    """Logarithms of the other classes' probabilities, scaled to a sum of 1; at the label they mean nothing."""
    soft = widened(logits) / temperature
    return (soft - soft.masked_fill(label, -torch.inf).logsumexp(dim=-1, keepdim=True)).masked_fill(label, 0.0)


@dataclass(frozen=True)
class DKD(Method):
    """L = ce_weight * CE(q, y) + alpha * tau^2 * TCKD + beta * tau^2 * NCKD, of the mean of the logits over time.

    alpha and beta grow to their values at the beginning (`warmup`).

    Terms: `cross_entropy`, `tckd` and `nckd`; one whose weight is 0 is left out.
    """

    name: ClassVar[str] = "dkd"

    alpha: float = 1.0
    """Weight of the label's class, 0 or above; 1 throughout the paper."""
    beta: float = 8.0
    """Weight of the other classes, 0 or above; the paper has 1 to 10, and 8 for most pairs on CIFAR-100."""
    temperature: float = 4.0
    """tau, above 0."""
    ce_weight: float = 1.0
    """Weight of the labels, 0 or above."""
    warmup: float = 20 / 240
    """Share of the training during which both KL terms grow from 0 to their weights, in [0, 1]; 0 for none."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_at_least(self, "alpha", "beta", "ce_weight", most=1e9)
        check_above(self, "temperature", most=1e6)
        check_share(self, "warmup", "label_smoothing")

    def at(self, progress: float) -> "DKD":
        """See `Method.at`."""
        if progress >= self.warmup:
            return self
        share = progress / self.warmup
        return replace(self, alpha=self.alpha * share, beta=self.beta * share)

    @property
    def weights(self) -> Weights:
        """See the class."""
        scale = self.temperature**2
        return {"cross_entropy": self.ce_weight, "tckd": self.alpha * scale, "nckd": self.beta * scale}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:
        """See the class."""
        target = target_logits(self.taught_by(teacher), student)
        mean = mean_logits(student.logits)
        losses: Losses = {}
        if self.ce_weight > 0.0:
            losses["cross_entropy"] = cross_entropy(mean, labels, self.label_smoothing)
        if self.alpha > 0.0:
            losses["tckd"] = tckd(target, mean, labels, self.temperature)
        if self.beta > 0.0:
            losses["nckd"] = nckd(target, mean, labels, self.temperature)
        return losses
