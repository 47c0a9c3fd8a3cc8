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

from spikedistill.methods.temporal_targets import Lessons, Logits, SelfTaught, each_other_step

CITATION = """\
@article{zhao2023improving,
  title   = {Improving stability and performance of spiking neural networks through enhancing temporal consistency},
  author  = {Zhao, Dongcheng and Shen, Guobin and Dong, Yiting and Li, Yang and Zeng, Yi},
  journal = {arXiv preprint arXiv:2305.14174},
  year    = {2023}
}
"""


@dataclass(frozen=True)
class ETC(SelfTaught):
    """L = CE + weight * tau^2 * mean over i != j of KL(z(j) || z(i))."""

    name: ClassVar[str] = "etc"

    temperature: float = 4.0
    """tau, above 0."""

    def lessons(self, steps: Logits) -> Lessons:
        """Every step learns from every other one."""
        return each_other_step(steps)
