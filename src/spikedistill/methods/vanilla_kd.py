"""Distillation of logits as for ordinary networks, applied to the mean of a spiking student's outputs over time.

Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, in the form of Yu et al. (TSER), CVPR 2025, Eq.
(4)-(7): the baseline that papers on spiking networks call vanilla KD.

    L = (1 - alpha) * CE(q, y) + alpha * tau^2 * KL(p_tau || q_tau)

p and q are the softmax of the teacher's and the student's outputs, with index tau at that temperature.

Where the sources differ:
- Eq. (7) takes q as the mean of the probabilities over time; public code, and Algorithm 1 of the same paper at test
  time, take the softmax of the mean of the logits. These are two losses. Default: logits.
- Eq. (7) has no tau^2; Hinton et al. and all public code have, so that the gradient keeps its size when tau is
  changed. Default: tau^2.
- Eq. (4) gives Q a temperature and Eq. (6) takes the cross-entropy of Q: the labels' term is at temperature 1 here, as
  in Hinton et al. Eq. (6) also prints its two arguments swapped, which would be infinite.
- alpha is not published. Default: 1/2.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from jaxtyping import Float
from torch import Tensor

from spikedistill.methods.divergences import (
    cross_entropy,
    kl_divergence,
    mean_logits,
    mean_probabilities,
    target_logits,
)
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_above, check_choice, check_share

CITATION = """\
@article{hinton2015distilling,
  title   = {Distilling the Knowledge in a Neural Network},
  author  = {Hinton, Geoffrey and Vinyals, Oriol and Dean, Jeff},
  journal = {arXiv preprint arXiv:1503.02531},
  year    = {2015}
}
@inproceedings{yu2025temporal,
  title     = {Temporal Separation with Entropy Regularization for Knowledge Distillation in Spiking Neural Networks},
  author    = {Yu, Kairong and Yu, Chengting and Zhang, Tianqing and Zhao, Xiaochen and Yang, Shu and Wang, Hongwei
               and Zhang, Qiang and Xu, Qi},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2025}
}
"""

Average = Literal["logits", "probabilities"]
Scale = Literal["tau_squared", "none"]


@dataclass(frozen=True)
class VanillaKD(Method):
    """L = (1 - alpha) * CE(q, y) + alpha * tau^2 * KL(p_tau || q_tau), q from the mean over time.

    Terms: `cross_entropy` and `kl`; one whose weight is 0 is left out.
    """

    name: ClassVar[str] = "vanilla-kd"

    alpha: float = 0.5
    """Share of the teacher in the loss, in [0, 1]; the labels get the rest."""
    temperature: float = 5.0
    """tau, above 0; TSER's value for its own method and, as far as it says, for this baseline."""
    average: Average = "logits"
    """What is averaged over time: the student's logits (public code), or its probabilities (the paper's Eq. 7)."""
    scale: Scale = "tau_squared"
    """Factor of the KL term: tau^2 (Hinton et al., public code), or none (the paper's Eq. 7)."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_share(self, "alpha", "label_smoothing")
        check_above(self, "temperature", most=1e6)
        check_choice(self, "average", get_args(Average))
        check_choice(self, "scale", get_args(Scale))

    @property
    def weights(self) -> Weights:
        """See the class."""
        scale = self.temperature**2 if self.scale == "tau_squared" else 1.0
        return {"cross_entropy": 1.0 - self.alpha, "kl": self.alpha * scale}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:
        """See the class."""
        target = target_logits(self.taught_by(teacher), student)
        losses: Losses = {}
        if self.alpha < 1.0:
            mean = self._over_time(student.logits, 1.0)
            losses["cross_entropy"] = cross_entropy(mean, labels, self.label_smoothing)
        if self.alpha > 0.0:
            mean = self._over_time(student.logits, self.temperature)
            losses["kl"] = kl_divergence(target, mean, self.temperature)
        return losses

    def _over_time(self, logits: Float[Tensor, "T B K"], temperature: float) -> Float[Tensor, "1 B K"]:
        return mean_logits(logits) if self.average == "logits" else mean_probabilities(logits, temperature)
