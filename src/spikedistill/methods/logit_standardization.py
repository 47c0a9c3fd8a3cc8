"""Logit standardization: distillation of logits that have mean 0 and standard deviation 1 over the classes.

Sun et al., "Logit Standardization in Knowledge Distillation", CVPR 2024, Algorithms 1 and 2:

    L = ce_weight * CE(q, y) + weight * tau^2 * KL(softmax(Z(v) / tau) || softmax(Z(z) / tau))
    Z(x) = (x - mean_k x) / (eps + std_k x)

v are the teacher's, z the student's logits, tau the base temperature, the same for both. The student is free in the
range of its logits: it learns the order and the relative distances of the teacher's. The cross-entropy reads the
logits as they are.

The method is made for ordinary networks. A spiking student's outputs are their mean over time here, as in `VanillaKD`.

Where the sources are open:
- The standard deviation divides by K - 1 (torch's default) in public code, and so here.
- eps is 1e-7 as in public code. Of a student whose logits are all equal (a network that never fires) Z is 0 and
  its gradient 1 / eps as steep; clip gradients where that can happen.
- The weights of public code, ce_weight 0.1 and weight 9 at tau = 2, are for CIFAR-100; they are the defaults.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spikedistill.methods.divergences import cross_entropy, kl_divergence, mean_logits, target_logits, widened
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_above, check_at_least, check_share

CITATION = """\
@inproceedings{sun2024logit,
  title     = {Logit Standardization in Knowledge Distillation},
  author    = {Sun, Shangquan and Ren, Wenqi and Li, Jingzhi and Wang, Rui and Cao, Xiaochun},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2024}
}
"""

EPSILON = 1e-7
"""Keeps the quotient finite where all logits are equal."""


def z_score(logits: Float[Tensor, "T B K"]) -> Float[Tensor, "T B K"]:
    """Algorithm 1: logits with mean 0 and standard deviation 1 (of K - 1) over the classes."""
    wide = widened(logits)
    return (wide - wide.mean(dim=-1, keepdim=True)) / (EPSILON + wide.std(dim=-1, keepdim=True))


@dataclass(frozen=True)
class LogitStandardization(Method):
    """L = ce_weight * CE(q, y) + weight * tau^2 * KL between standardized logits, of the mean of the logits over time.

    Terms: `cross_entropy` and `kl`; one whose weight is 0 is left out.
    """

    name: ClassVar[str] = "logit-standardization"

    weight: float = 9.0
    """Weight of the KL, 0 or above."""
    temperature: float = 2.0
    """The base temperature tau, above 0."""
    ce_weight: float = 0.1
    """Weight of the labels, 0 or above."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_at_least(self, "weight", "ce_weight", most=1e9)
        check_above(self, "temperature", most=1e6)
        check_share(self, "label_smoothing")

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"cross_entropy": self.ce_weight, "kl": self.weight * self.temperature**2}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:
        """See the class."""
        target = target_logits(self.taught_by(teacher), student)
        mean = mean_logits(student.logits)
        losses: Losses = {}
        if self.ce_weight > 0.0:
            losses["cross_entropy"] = cross_entropy(mean, labels, self.label_smoothing)
        if self.weight > 0.0:
            losses["kl"] = kl_divergence(z_score(target), z_score(mean), self.temperature)
        return losses
