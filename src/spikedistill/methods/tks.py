"""Temporal knowledge sharing (TKS): each time step learns from those that are right, taken together.

Dong et al., "Temporal Knowledge Sharing Enable Spiking Neural Network Learning from Past and Future", IEEE Transactions
on Artificial Intelligence, 2024, as its public code has it:

    L = (1 - alpha) * CE(mean_t z(t), y) + alpha * tau^2 * mean_t -sum_k softmax(s / tau)_k log softmax(z(t))_k
    s = sum of z(t) over the time steps that are right about the label

It is not one of `temporal_targets`, in three ways: the target is a sum of logits, not a mean; only the target is
divided by tau, the student stays at temperature 1; and the gradient flows through the target too (`target="detached"`
keeps it out). A sample of which no step is right has a uniform target.

alpha grows evenly from 0 at the first step to its value at the last (`ramp="linear"`, the default), in the code by the
epoch: 0.7 * epoch / epochs, and tau = 3, in its example. `ramp="none"` keeps it constant; the code's `--staticalpha`
does so too, but takes the number for the share of the labels, 1 - alpha here.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from spikedistill.methods.divergences import cross_entropy, mean_logits, widened
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_above, check_choice, check_share

CITATION = """\
@article{dong2024temporal,
  title   = {Temporal Knowledge Sharing Enable Spiking Neural Network Learning from Past and Future},
  author  = {Dong, Yiting and Zhao, Dongcheng and Zeng, Yi},
  journal = {IEEE Transactions on Artificial Intelligence},
  year    = {2024}
}
"""

Target = Literal["differentiable", "detached"]
Ramp = Literal["linear", "none"]


def sum_of_correct_steps(logits: Float[Tensor, "T B K"], labels: Int[Tensor, " B"]) -> Float[Tensor, "1 B K"]:
    """Sum of the logits of those time steps whose largest logit is the label's; zeros where there is none."""
    steps = widened(logits)
    correct = (steps.argmax(dim=-1) == labels).unsqueeze(-1)
    return (steps * correct).sum(dim=0, keepdim=True)


@dataclass(frozen=True)
class TKS(Method):
    """L = (1 - alpha) * CE of the mean + alpha * tau^2 * mean_t CE(z(t), softmax(sum of right steps / tau)).

    Terms: `cross_entropy` and `soft_cross_entropy`; one whose weight is 0 throughout is left out.
    """

    name: ClassVar[str] = "tks"
    needs_teacher: ClassVar[bool] = False

    alpha: float = 0.7
    """Share of what steps learn from those that are right, in [0, 1]; the labels get the rest. At the end of the
    training, where it is ramped."""
    temperature: float = 3.0
    """tau of the target, above 0."""
    target: Target = "differentiable"
    """Whether gradients flow through the target (public code)."""
    ramp: Ramp = "linear"
    """Whether alpha grows evenly from 0 while it trains (public code), or is constant."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_share(self, "alpha", "label_smoothing")
        check_above(self, "temperature", most=1e6)
        check_choice(self, "target", get_args(Target))
        check_choice(self, "ramp", get_args(Ramp))

    def at(self, progress: float) -> "TKS":
        """See `Method.at`."""
        return self if self.ramp == "none" else replace(self, alpha=self.alpha * progress)

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"cross_entropy": 1.0 - self.alpha, "soft_cross_entropy": self.alpha * self.temperature**2}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class."""
        steps = widened(student.logits)
        losses: Losses = {}
        if self.alpha < 1.0 or self.ramp == "linear":
            losses["cross_entropy"] = cross_entropy(mean_logits(steps), labels, self.label_smoothing)
        if self.alpha > 0.0:
            taught = steps.detach() if self.target == "detached" else steps
            p = F.softmax(sum_of_correct_steps(taught, labels) / self.temperature, dim=-1)
            losses["soft_cross_entropy"] = -(p * F.log_softmax(steps, dim=-1)).sum(dim=-1).mean()
        return losses
