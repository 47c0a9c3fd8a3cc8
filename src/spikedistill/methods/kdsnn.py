"""KDSNN: response-based distillation from an ANN teacher into a spiking student.

Xu et al., "Constructing Deep Spiking Neural Networks from Artificial Neural Networks with Knowledge Distillation", CVPR
2023, Eq. (4)-(5):

    L = alpha * T^2 * CE(Q_S^T, Q_T^T) + (1 - alpha) * CE(Q_S, y)

T is the temperature here, not the number of time steps. The paper presents the cross-entropy of the softened outputs
as a simplification of the KL divergence. The two differ by the teacher's entropy, which the student cannot change:
value by that constant, gradients not at all. So a student trained with `VanillaKD` of the same alpha and temperature
is the same student, and this loss does not fall to zero when the student agrees with its teacher.

Where the paper is open:
- alpha and T are not published ("exceed 1"). Defaults: 1/2 and 4, the latter a usual value in the code that the paper
  builds on.
- Q_S is "the frequency of the spikes" of the last layer (Algorithm 1). Here it is the mean over time of whatever the
  model's last layer puts out: logits by default; spikes with `ConvNet(voters=1)`, the paper's 2conv to the letter.
- Z is called the "output calculated by the softmax layer"; a softmax of a softmax is not meant: logits.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from spikedistill.methods.divergences import cross_entropy, mean_logits, soft_cross_entropy, target_logits
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_above, check_share

CITATION = """\
@inproceedings{xu2023constructing,
  title     = {Constructing Deep Spiking Neural Networks from Artificial Neural Networks with Knowledge Distillation},
  author    = {Xu, Qi and Li, Yaxin and Shen, Jiangrong and Liu, Jian K. and Tang, Huajin and Pan, Gang},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  pages     = {7886--7895},
  year      = {2023}
}
"""


@dataclass(frozen=True)
class KDSNNResponse(Method):
    """Eq. (5): L = alpha * temperature^2 * CE(softened student, softened teacher) + (1 - alpha) * CE(student, y).

    Terms: `soft_cross_entropy` and `cross_entropy`; one whose weight is 0 is left out.
    """

    name: ClassVar[str] = "kdsnn"

    alpha: float = 0.5
    """Share of the teacher in the loss, in [0, 1]; the labels get the rest."""
    temperature: float = 4.0
    """What logits are divided by before the softmax, above 0; above 1 in the paper."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_share(self, "alpha", "label_smoothing")
        check_above(self, "temperature", most=1e6)

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"soft_cross_entropy": self.alpha * self.temperature**2, "cross_entropy": 1.0 - self.alpha}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:
        """See the class."""
        target = target_logits(self.taught_by(teacher), student)
        mean = mean_logits(student.logits)
        losses: Losses = {}
        if self.alpha > 0.0:
            losses["soft_cross_entropy"] = soft_cross_entropy(target, mean, self.temperature)
        if self.alpha < 1.0:
            losses["cross_entropy"] = cross_entropy(mean, labels, self.label_smoothing)
        return losses
