"""Temporal efficient training (TET): cross-entropy at every time step.

Deng et al., "Temporal Efficient Training of Spiking Neural Network via Gradient Re-weighting", ICLR 2022:

    L = (1 - lambda) * mean_t CE(z(t), y) + lambda * mean (z - phi)^2

The second term pulls every output of every step towards one constant phi, to keep outliers out. The weights are those
of the paper and of its public code, which add up to one; some re-implementations add lambda * MSE to an unscaled
cross-entropy. The mean of the squares is over time, batch and classes.

The paper sets lambda to 0.05 on CIFAR and 0.001 on ImageNet; its public code has 0 and phi = 1 (the threshold)
where nothing is asked for, and so has this: the cross-entropy per step alone.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spikedistill.methods.divergences import cross_entropy, widened
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_finite, check_share

CITATION = """\
@inproceedings{deng2022temporal,
  title     = {Temporal Efficient Training of Spiking Neural Network via Gradient Re-weighting},
  author    = {Deng, Shikuang and Li, Yuhang and Zhang, Shanghang and Gu, Shi},
  booktitle = {International Conference on Learning Representations},
  year      = {2022},
  url       = {https://openreview.net/forum?id=_XNtisL32jv}
}
"""


def mean_squared_distance(logits: Float[Tensor, "T B K"], target: float) -> Float[Tensor, ""]:
    """The mean of (z - target)^2 over time, batch and classes."""
    return (widened(logits) - target).square().mean()


@dataclass(frozen=True)
class TET(Method):
    """L = (1 - mse_weight) * mean_t CE(z(t), y) + mse_weight * mean (z - mse_target)^2.

    Terms: `cross_entropy` and `mse`; one whose weight is 0 is left out.
    """

    name: ClassVar[str] = "tet"
    needs_teacher: ClassVar[bool] = False

    mse_weight: float = 0.0
    """lambda, in [0, 1]; the paper has 0.05 on CIFAR and 0.001 on ImageNet, its code 0 by default."""
    mse_target: float = 1.0
    """phi: what the regulariser pulls every output towards; the paper takes the threshold."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_share(self, "mse_weight", "label_smoothing")
        check_finite(self, "mse_target")

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"cross_entropy": 1.0 - self.mse_weight, "mse": self.mse_weight}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class."""
        losses: Losses = {}
        if self.mse_weight < 1.0:
            losses["cross_entropy"] = cross_entropy(student.logits, labels, self.label_smoothing)
        if self.mse_weight > 0.0:
            losses["mse"] = mean_squared_distance(student.logits, self.mse_target)
        return losses
