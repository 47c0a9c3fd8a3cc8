"""Cross-entropy on the mean of the logits over time: training from labels alone.

The decision of a spiking network is the mean of its last layer's outputs over time, and this is the cross-entropy of
that decision, as in Zheng et al., "Going Deeper with Directly-Trained Larger Spiking Neural Networks", AAAI 2021; TET
calls it standard direct training. With T = 1 it is the usual loss of an ANN.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from spikedistill.methods.divergences import cross_entropy, mean_logits
from spikedistill.methods.method import Losses, Method, Signals
from spikedistill.values.checks import check_share

CITATION = """\
@inproceedings{zheng2021going,
  title     = {Going Deeper with Directly-Trained Larger Spiking Neural Networks},
  author    = {Zheng, Hanle and Wu, Yujie and Deng, Lei and Hu, Yifan and Li, Guoqi},
  booktitle = {Proceedings of the AAAI Conference on Artificial Intelligence},
  volume    = {35},
  number    = {12},
  pages     = {11062--11070},
  year      = {2021}
}
"""


@dataclass(frozen=True)
class CrossEntropy(Method):
    """L = CE(mean_t z(t), y). Term: `cross_entropy`."""

    name: ClassVar[str] = "cross-entropy"
    needs_teacher: ClassVar[bool] = False

    label_smoothing: float = 0.0
    """Share of the target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_share(self, "label_smoothing")

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class."""
        return {"cross_entropy": cross_entropy(mean_logits(student.logits), labels, self.label_smoothing)}
