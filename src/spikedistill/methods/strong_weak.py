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

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from torch import Tensor

from spikedistill.methods.temporal_targets import Lessons, Logits, SelfTaught, confidence, one_for_all, one_step
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
class OneTeaches(SelfTaught):
    """Base of both: one step teaches another one, or all."""

    abstract: ClassVar[bool] = True

    learners: Learners = field(default="extreme", kw_only=True)
    """Who learns: the step at the other end, or all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, "learners", get_args(Learners))

    def from_to(self, steps: Logits, taught: Tensor, learns: Tensor) -> Lessons:
        """The step `learns`, or all, learn from the step `taught`."""
        return one_for_all(steps, taught) if self.learners == "all" else one_step(steps, taught, learns)


@dataclass(frozen=True)
class StrongToWeak(OneTeaches):
    """L = CE + weight * tau^2 * KL(the surest step || the least sure step)."""

    name: ClassVar[str] = "strong-to-weak"

    def lessons(self, steps: Logits) -> Lessons:
        """The surest step teaches."""
        sure = confidence(steps)
        return self.from_to(steps, sure.argmax(), sure.argmin())


@dataclass(frozen=True)
class WeakToStrong(OneTeaches):
    """L = CE + weight * tau^2 * KL(the least sure step || the surest step)."""

    name: ClassVar[str] = "weak-to-strong"

    def lessons(self, steps: Logits) -> Lessons:
        """The least sure step teaches."""
        sure = confidence(steps)
        return self.from_to(steps, sure.argmin(), sure.argmax())
