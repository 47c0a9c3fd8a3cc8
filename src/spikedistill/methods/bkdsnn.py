"""BKDSNN: the teacher's last map is restored from the student's, of which channels are dropped; weighted soft labels.

Xu et al., "BKDSNN: Enhancing the Performance of Learning-based Spiking Neural Networks Training with Blurred Knowledge
Distillation", ECCV 2024, as in its public code:

    L = CE(zbar, y) + alpha * 1/B sum_b || G(M * A(F_s)) - F_t ||_2^2 + tau^2 * mean_b w_b * CE(q_tau, p_tau)
    w_b = 1 - exp(-CE_s / (CE_t + 1e-7))

F_s is the mean over time of the student's last stage, A a 1x1 convolution with bias where the channels differ, M a mask
that drops each channel of each sample with probability `blur`, and G the restoring block: 3x3 convolution, ReLU, 3x3
convolution. p_tau and q_tau are the teacher's and the student's softmax at temperature tau, of means over time. The
weights w are those of Zhou et al., "Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance Tradeoff
Perspective", ICLR 2021, with the two's cross-entropies of the labels; no gradient goes through them.

Where paper and code are open or differ:
- The code's option `mixed` restores the last stage's map, as here; its option `mgd` restores the pooled map of one
  pixel. Name another module in `student_stages` and `teacher_stages`; of several the last is taken.
- The code's class scales the teacher's map to the student's maximum (`rescale="maximum"`), its command line does not.
  Default: not.
- alpha is 7e-5 for residual networks, 2e-3 for Spikingformer.
- Maps of other sizes: the larger is averaged over patches.

The masks are functions of (seed, epoch, index). It is a whole loss; `hard_weight=0` leaves the labels' term to the
other parts of a sum.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from spikedistill.methods.divergences import cross_entropy, mean_logits, target_logits, widened
from spikedistill.methods.method import Losses, MethodModule, Side, Signals, Weights
from spikedistill.methods.stages import OnStages, align, channels, maps, paths_of, same_size, squared_distance
from spikedistill.randomness import Draws
from spikedistill.values.checks import check_above, check_at_least, check_choice, check_share

CITATION = """\
@inproceedings{xu2024bkdsnn,
  title     = {{BKDSNN}: Enhancing the Performance of Learning-based Spiking Neural Networks Training with Blurred
               Knowledge Distillation},
  author    = {Xu, Zekai and You, Kang and Guo, Qinghai and Wang, Xiang and He, Zhezhi},
  booktitle = {European Conference on Computer Vision},
  year      = {2024}
}
@inproceedings{zhou2021rethinking,
  title     = {Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance Tradeoff Perspective},
  author    = {Zhou, Helong and Song, Liangchen and Chen, Jiajie and Zhou, Ye and Wang, Guoli and Yuan, Junsong
               and Zhang, Qian},
  booktitle = {International Conference on Learning Representations},
  year      = {2021}
}
"""

Rescale = Literal["none", "maximum"]


def soft_label_weights(
    teacher: Float[Tensor, "1 B K"], student: Float[Tensor, "1 B K"], labels: Int[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """1 - exp(-CE_s / (CE_t + 1e-7)), without gradient: small where the student is better than its teacher."""
    theirs, ours = (F.cross_entropy(one[0].detach(), labels.long(), reduction="none") for one in (teacher, student))
    return 1.0 - torch.exp(-ours / (theirs + 1e-7))


def weighted_soft_labels(
    teacher: Float[Tensor, "1 B K"], student: Float[Tensor, "1 B K"], labels: Int[Tensor, " B"], temperature: float
) -> Float[Tensor, ""]:
    """mean_b w_b * -sum_k p_k log q_k, with p and q at the temperature."""
    p, log_q = F.softmax(teacher[0] / temperature, dim=-1), F.log_softmax(student[0] / temperature, dim=-1)
    return (soft_label_weights(teacher, student, labels) * -(p * log_q).sum(dim=-1)).mean()


@dataclass(frozen=True)
class BKDSNN(OnStages):
    """L = hard_weight * CE + alpha * feature + soft_weight * tau^2 * soft labels; see the module.

    Terms: `cross_entropy`, `feature`, `soft_labels`; one whose weight is 0 is left out. Of several stages the last is
    read.
    """

    name: ClassVar[str] = "bkdsnn"
    draws: ClassVar[bool] = True

    alpha: float = 7e-5
    """Factor of the restored features, 0 or above."""
    blur: float = 0.15
    """Probability that a channel of the student's map is dropped, in [0, 1]; lambda in the code."""
    soft_weight: float = 1.0
    """Factor of the soft labels beside tau^2, 0 or above."""
    temperature: float = 2.0
    """tau of the soft labels, above 0."""
    hard_weight: float = 1.0
    """Factor of the labels, 0 or above."""
    rescale: Rescale = "none"
    """Whether the teacher's map is scaled so that its maximum over the batch is the student's."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_at_least(self, "alpha", "soft_weight", "hard_weight")
        check_share(self, "blur", "label_smoothing")
        check_above(self, "temperature", most=1e6)
        check_choice(self, "rescale", get_args(Rescale))

    @property
    def weights(self) -> Weights:
        """See the class."""
        soft = self.soft_weight * self.temperature**2
        return {"cross_entropy": self.hard_weight, "feature": self.alpha, "soft_labels": soft}

    def build(self, student: Side, teacher: Side | None) -> "BlurModule":
        """The alignment and the restoring block.

        Raises:
            InputError: an activation is neither [T, B, C, H, W] nor [T, B, C].
        """
        return BlurModule(self, student, self.taught_side(teacher))


class BlurModule(MethodModule):
    """Alignment of channels and restoring block of the last stages."""

    def __init__(self, method: BKDSNN, student: Side, teacher: Side) -> None:
        super().__init__(self._terms)
        self.method = method
        self.mine = paths_of(student.signals.taps, method.student_stages, "student")[-1]
        self.theirs = paths_of(teacher.signals.taps, method.teacher_stages, "teacher")[-1]
        width = channels(teacher.signals, self.theirs)
        self.align = align(channels(student.signals, self.mine), width)
        self.restore = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def _terms(self, student: Signals, teacher: Signals | None, labels: Tensor, draws: Draws) -> Losses:
        method = self.method
        taught = method.taught_by(teacher)
        target, mean = target_logits(taught, student), mean_logits(student.logits)
        losses: Losses = {}
        if method.hard_weight > 0.0:
            losses["cross_entropy"] = cross_entropy(mean, labels, method.label_smoothing)
        if method.alpha > 0.0:
            losses["feature"] = self._feature(student, taught, draws)
        if method.soft_weight > 0.0:
            losses["soft_labels"] = weighted_soft_labels(target, mean, labels, method.temperature)
        return losses

    def _feature(self, student: Signals, teacher: Signals, draws: Draws) -> Tensor:
        ours, target = same_size(maps(student, self.mine), widened(maps(teacher, self.theirs)))
        ours = self.align(ours)
        if self.method.rescale == "maximum":
            target = target / target.max().clamp_min(1e-12) * widened(ours).max()
        kept = draws.uniform("bkdsnn", ours.shape[1]) >= self.method.blur
        return squared_distance(self.restore(ours * kept[:, :, None, None]), target)
