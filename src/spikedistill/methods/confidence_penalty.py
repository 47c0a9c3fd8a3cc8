"""Confidence penalty: cross-entropy that rewards the entropy of the student's answers. A control, without a teacher.

Pereyra et al., "Regularizing Neural Networks by Penalizing Confident Output Distributions", ICLR workshop 2017:

    L = CE(q, y) - beta * H(q)

It is what is left of `TSER` without its teacher: a gain of an entropy term is one of distillation only as far as it is
more than this one's. The paper's loss is of an ordinary network. Of a spiking one, q is the softmax of the mean logits,
or that of each step (`separate`), as in `TSER`. The paper's annealed and thresholded variants are not here.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from spikedistill.methods.divergences import cross_entropy, entropy, mean_logits
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_at_least, check_share

CITATION = """\
@inproceedings{pereyra2017regularizing,
  title     = {Regularizing Neural Networks by Penalizing Confident Output Distributions},
  author    = {Pereyra, Gabriel and Tucker, George and Chorowski, Jan and Kaiser, {\\L}ukasz and Hinton, Geoffrey},
  booktitle = {International Conference on Learning Representations, Workshop Track},
  year      = {2017}
}
"""


@dataclass(frozen=True)
class ConfidencePenalty(Method):
    """L = CE part - beta * entropy part, each of the mean logits, of each step, or a mixture of the two.

    CE part: separate * mean_t CE(z(t), y) + (1 - separate) * CE(mean_t z(t), y); entropy part likewise.

    Terms: `cross_entropy` and `entropy` (its weight is negative); the latter is left out where beta is 0.
    """

    name: ClassVar[str] = "confidence-penalty"
    needs_teacher: ClassVar[bool] = False

    beta: float = 0.1
    """Weight of the entropy, 0 or above; the paper's best is 0.1 on CIFAR-10."""
    separate: float = 0.0
    """Share of both terms that is taken at each time step, in [0, 1]; the rest on the mean over time."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_at_least(self, "beta")
        check_share(self, "separate", "label_smoothing")

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"cross_entropy": 1.0, "entropy": -self.beta}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class."""
        shares = ((student.logits, self.separate), (mean_logits(student.logits), 1.0 - self.separate))
        parts = [(share, logits) for logits, share in shares if share]
        label_parts = [share * cross_entropy(logits, labels, self.label_smoothing) for share, logits in parts]
        losses = {"cross_entropy": sum(label_parts[1:], label_parts[0])}
        if self.beta > 0.0:
            entropies = [share * entropy(logits) for share, logits in parts]
            losses["entropy"] = sum(entropies[1:], entropies[0])
        return losses
