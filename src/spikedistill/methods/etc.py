"""Enhancing temporal consistency (ETC): each time step learns from each other one.

Zhao et al., "Improving Stability and Performance of Spiking Neural Networks through Enhancing Temporal Consistency",
2023:

    L = CE(mean_t z(t), y) + weight * tau^2 * mean over i != j of KL(softmax(z(j) / tau) || softmax(z(i) / tau))

z(j) teaches and is without gradient; both sides are divided by tau, 4 as in public code, whose weight is 1 in its
examples. It divides the sum over the batch by the batch's size, a mean, as here. Labels are learned from the mean of
the logits over time, or with `labelled="steps"` at each time step.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.methods.temporal_targets import Labelled, check_fields, each_other_step, losses_of, weights_of

CITATION = """\
@article{zhao2023improving,
  title   = {Improving stability and performance of spiking neural networks through enhancing temporal consistency},
  author  = {Zhao, Dongcheng and Shen, Guobin and Dong, Yiting and Li, Yang and Zeng, Yi},
  journal = {arXiv preprint arXiv:2305.14174},
  year    = {2023}
}
"""


@dataclass(frozen=True)
class ETC(Method):
    """L = CE + weight * tau^2 * mean over i != j of KL(z(j) || z(i)).

    Terms: `cross_entropy` and `self_distillation`; the latter is left out where its weight is 0.
    """

    name: ClassVar[str] = "etc"
    needs_teacher: ClassVar[bool] = False

    weight: float = 1.0
    """Weight of what steps learn from each other, 0 or above."""
    temperature: float = 4.0
    """tau, above 0."""
    labelled: Labelled = "mean"
    """Where labels are learned: from the mean of the logits over time, or at each time step."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def weights(self) -> Weights:
        """See the class."""
        return weights_of(self)

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class."""
        steps = student.logits
        return losses_of(self, each_other_step(steps), steps, labels)
