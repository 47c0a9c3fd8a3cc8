"""Strong2Weak and Weak2Strong: the surest time step teaches the least sure one, or the other way round.

Ding et al., "Synergy Between the Strong and the Weak: Spiking Neural Networks are Inherently Self-Distillers", NeurIPS
2025:

    L = CE(mean_t z(t), y) + weight * tau^2 * KL(softmax(z(teaches) / tau) || softmax(z(learns) / tau))

A step's confidence is its largest probability, mean over the batch; the strong step is the one with the largest mean,
the weak step that with the smallest. What teaches is without gradient. tau = 2 and weight = 1.

Where the paper is open to us (no public code was found):
- One step learns from one other: `learners="extreme"`. With `learners="all"` all steps learn from the one that teaches,
  and the loss is the mean over all time steps; the teaching one adds 0. The paper's ensembles and cascades of several
  teachers are not here.
- The factor tau^2, as in the other methods of this family. For a loss without it divide `weight` by tau^2.
- Labels are learned from the mean of the logits over time, the usual loss of a spiking network, or with
  `labelled="steps"` at each time step.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import Tensor

from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.methods.temporal_targets import (
    Labelled,
    check_fields,
    confidence,
    losses_of,
    one_for_all,
    one_step,
    weights_of,
)
from spikedistill.values.checks import check_choice

CITATION = """\
@inproceedings{ding2025synergy,
  title     = {Synergy Between the Strong and the Weak: Spiking Neural Networks are Inherently Self-Distillers},
  author    = {Ding, Yongqi and Zuo, Lin and Jing, Mengmeng and Yang, Kunshan and He, Pei and Xie, Tonglan},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2025}
}
"""

Learners = Literal["extreme", "all"]


@dataclass(frozen=True)
class StrongToWeak(Method):
    """L = CE + weight * tau^2 * KL(the surest step || the least sure step).

    Terms: `cross_entropy` and `self_distillation`; the latter is left out where its weight is 0.
    """

    name: ClassVar[str] = "strong-to-weak"
    needs_teacher: ClassVar[bool] = False

    weight: float = 1.0
    """Weight of what the strong step teaches, 0 or above."""
    temperature: float = 2.0
    """tau, above 0."""
    learners: Learners = "extreme"
    """Who learns from the strong step: the weak one, or all."""
    labelled: Labelled = "mean"
    """Where labels are learned: from the mean of the logits over time, or at each time step."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_choice(self, "learners", get_args(Learners))

    @property
    def weights(self) -> Weights:
        """See the class."""
        return weights_of(self)

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class."""
        steps = student.logits
        sure = confidence(steps)
        strong, weak = sure.argmax(), sure.argmin()
        lessons = one_for_all(steps, strong) if self.learners == "all" else one_step(steps, strong, weak)
        return losses_of(self, lessons, steps, labels)


@dataclass(frozen=True)
class WeakToStrong(Method):
    """L = CE + weight * tau^2 * KL(the least sure step || the surest step).

    Terms: `cross_entropy` and `self_distillation`; the latter is left out where its weight is 0.
    """

    name: ClassVar[str] = "weak-to-strong"
    needs_teacher: ClassVar[bool] = False

    weight: float = 1.0
    """Weight of what the weak step teaches, 0 or above."""
    temperature: float = 2.0
    """tau, above 0."""
    learners: Learners = "extreme"
    """Who learns from the weak step: the strong one, or all."""
    labelled: Labelled = "mean"
    """Where labels are learned: from the mean of the logits over time, or at each time step."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_choice(self, "learners", get_args(Learners))

    @property
    def weights(self) -> Weights:
        """See the class."""
        return weights_of(self)

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class."""
        steps = student.logits
        sure = confidence(steps)
        strong, weak = sure.argmax(), sure.argmin()
        lessons = one_for_all(steps, weak) if self.learners == "all" else one_step(steps, weak, strong)
        return losses_of(self, lessons, steps, labels)
