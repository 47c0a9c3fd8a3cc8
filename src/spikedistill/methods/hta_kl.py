"""Head-tail-aware KL (HTA-KL): forward and reverse divergence, weighted by where the student is off.

Zhang et al., "Head-Tail-Aware KL Divergence in Knowledge Distillation for Spiking Neural Networks", 2025, in the form
of the adaptive KL (AKL) that it builds on, Wu et al., "Rethinking Kullback-Leibler Divergence in Knowledge
Distillation for Large Language Models", 2024:

    L = CE + weight * tau^2 * mean (h * KL(p || q) + (1 - h) * KL(q || p))
    h = gap(head) / (gap(head) + gap(tail)),  gap(S) = sum over k in S of |p_k - q_k|

The head are the largest probabilities of the teacher, as many as have a sum of at most `threshold`, and always the
largest; the tail are the others. Both divergences run over all classes; head and tail only decide how they are mixed.
h is without gradient. Where teacher and student are equal both gaps are 0, and so is the loss.

HTA-KL's own formula was not at hand; this is AKL's with threshold 1/2. Open, and chosen here: p and q are at
`temperature` throughout, 1 as in AKL's code; labels and teacher are learned at each time step (`read="steps"`), as in
`TSER` by the same laboratory, or from the mean of the logits over time (`read="mean"`); weight = 1.
"""

from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from spikedistill.methods.divergences import cross_entropy, mean_logits, target_logits, widened
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.methods.temporal_targets import Labelled
from spikedistill.values.checks import check_above, check_at_least, check_choice, check_share

CITATION = """\
@article{zhang2025head,
  title   = {Head-Tail-Aware KL Divergence in Knowledge Distillation for Spiking Neural Networks},
  author  = {Zhang, Tianqing and Zhu, Zixin and Yu, Kairong and Wang, Hongwei},
  journal = {arXiv preprint arXiv:2504.20445},
  year    = {2025}
}
@article{wu2024rethinking,
  title   = {Rethinking Kullback-Leibler Divergence in Knowledge Distillation for Large Language Models},
  author  = {Wu, Taiqiang and Tao, Chaofan and Wang, Jiahao and Yang, Runming and Zhao, Zhe and Wong, Ngai},
  journal = {arXiv preprint arXiv:2404.02657},
  year    = {2024}
}
"""


def head_share(p: Float[Tensor, "#T B K"], q: Float[Tensor, "T B K"], threshold: float) -> Float[Tensor, "T B"]:
    """h: share of the head in the gaps between the teacher's and the student's probabilities; 0 where there are none.

    The head are the teacher's largest probabilities with a cumulative sum of at most `threshold`, and the largest.
    """
    largest, order = p.sort(dim=-1, descending=True, stable=True)
    head = (largest.cumsum(dim=-1) <= threshold) | (threshold >= 1.0)  # all of them, wherever rounding leads
    head[..., 0] = True
    gaps = (largest - q.gather(-1, order.expand_as(q))).abs()
    total = gaps.sum(dim=-1)
    return (gaps * head).sum(dim=-1) / total.clamp_min(torch.finfo(total.dtype).tiny)


def head_tail_kl(
    teacher: Float[Tensor, "#T B K"], student: Float[Tensor, "T B K"], threshold: float, temperature: float = 1.0
) -> Float[Tensor, ""]:
    """Mean over time and batch of h * KL(p || q) + (1 - h) * KL(q || p)."""
    log_p, log_q = (F.log_softmax(widened(logits) / temperature, dim=-1) for logits in (teacher, student))
    p, q = log_p.exp(), log_q.exp()
    forward = (p * (log_p - log_q)).sum(dim=-1)
    reverse = (q * (log_q - log_p)).sum(dim=-1)
    share = head_share(p, q.detach(), threshold)
    return (share * forward + (1.0 - share) * reverse).mean()


@dataclass(frozen=True)
class HTAKL(Method):
    """L = CE + weight * tau^2 * mean of forward and reverse KL, mixed by where the student is off.

    Terms: `cross_entropy` and `head_tail_kl`; the latter is left out where its weight is 0.
    """

    name: ClassVar[str] = "hta-kl"

    weight: float = 1.0
    """Weight of the divergence, 0 or above."""
    threshold: float = 0.5
    """What the teacher's largest probabilities may add up to and be the head, in [0, 1]."""
    temperature: float = 1.0
    """tau, above 0."""
    read: Labelled = "steps"
    """What labels and teacher are compared with: the logits of each time step, or their mean over time."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_at_least(self, "weight", most=1e9)
        check_share(self, "threshold", "label_smoothing")
        check_above(self, "temperature", most=1e6)
        check_choice(self, "read", get_args(Labelled))

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"head_tail_kl": self.weight * self.temperature**2}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:
        """See the class."""
        target = target_logits(self.taught_by(teacher), student)
        logits = student.logits if self.read == "steps" else mean_logits(student.logits)
        losses = {"cross_entropy": cross_entropy(logits, labels, self.label_smoothing)}
        if self.weight > 0.0:
            losses["head_tail_kl"] = head_tail_kl(target, logits, self.threshold, self.temperature)
        return losses
