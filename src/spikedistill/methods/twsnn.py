"""Temporal-wise distillation (TWSNN): labels, teacher and the student's own ensemble at every time step.

Yu et al., "Efficient Logit-based Knowledge Distillation of Deep Spiking Neural Networks for Full-Range Timestep
Deployment", ICML 2025:

    L = TWCE + alpha * TWKL + beta * TWSD
    TWCE = mean_t CE(z(t), y)
    TWKL = tau^2 * mean_t KL(softmax(v / tau) || softmax(z(t) / tau))
    TWSD = tau^2 * mean_t KL(softmax(a / tau) || softmax(z(t) / tau))

v are the teacher's logits, a those of the student's own ensemble over time, without gradient. All models that stop
earlier are trained with the whole one. It is `TSER` without the entropy, plus TWSD.

Where the sources differ:
- The paper's text has the final output for a, the mean of all time steps: `ensemble="all"`. Its code has the mean of
  the steps that are right about the label, and zeros, a uniform target, where none is: `ensemble="correct"`, the
  default. (The code adds 1e-8 to the number of right steps, which 32 bits do not hold: the mean is exact.)
- The code has tau = 3, alpha = 0.2 and beta = 0.5 on CIFAR, the defaults, and tau = 1 on ImageNet.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from jaxtyping import Float, Int
from torch import Tensor

from spikedistill.methods.divergences import cross_entropy, kl_divergence, mean_logits, target_logits, widened
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_above, check_at_least, check_choice, check_share

CITATION = """\
@inproceedings{yu2025efficient,
  title     = {Efficient Logit-based Knowledge Distillation of Deep Spiking Neural Networks for Full-Range Timestep
               Deployment},
  author    = {Yu, Chengting and Zhao, Xiaochen and Liu, Lei and Yang, Shu and Wang, Gaoang and Li, Erping and Wang,
               Aili},
  booktitle = {International Conference on Machine Learning},
  year      = {2025}
}
"""

Ensemble = Literal["correct", "all"]


def mean_of_correct_steps(logits: Float[Tensor, "T B K"], labels: Int[Tensor, " B"]) -> Float[Tensor, "1 B K"]:
    """Mean of the logits of those time steps whose largest logit is the label's; zeros where there is none."""
    steps = widened(logits)
    correct = (steps.argmax(dim=-1) == labels).unsqueeze(-1)
    return (steps * correct).sum(dim=0, keepdim=True) / correct.sum(dim=0, keepdim=True).clamp_min(1)


@dataclass(frozen=True)
class TWSNN(Method):
    """L = TWCE + alpha * TWKL + beta * TWSD.

    Terms: `cross_entropy`, `kl` and `self_distillation`; one whose weight is 0 is left out.
    """

    name: ClassVar[str] = "twsnn"

    alpha: float = 0.2
    """Weight of the teacher (TWKL), 0 or above."""
    beta: float = 0.5
    """Weight of the student's own ensemble (TWSD), 0 or above."""
    temperature: float = 3.0
    """tau of both KL terms, above 0."""
    ensemble: Ensemble = "correct"
    """What TWSD teaches: the mean of the time steps that are right (public code), or of all (the paper's text)."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_at_least(self, "alpha", "beta", most=1e9)
        check_above(self, "temperature", most=1e6)
        check_choice(self, "ensemble", get_args(Ensemble))
        check_share(self, "label_smoothing")

    @property
    def weights(self) -> Weights:
        """See the class."""
        scale = self.temperature**2
        return {"cross_entropy": 1.0, "kl": self.alpha * scale, "self_distillation": self.beta * scale}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:
        """See the class."""
        target = target_logits(self.taught_by(teacher), student)
        steps = student.logits
        losses = {"cross_entropy": cross_entropy(steps, labels, self.label_smoothing)}
        if self.alpha > 0.0:
            losses["kl"] = kl_divergence(target, steps, self.temperature)
        if self.beta > 0.0:
            said = steps.detach()
            own = mean_of_correct_steps(said, labels) if self.ensemble == "correct" else mean_logits(said)
            losses["self_distillation"] = kl_divergence(own, steps, self.temperature)
        return losses
