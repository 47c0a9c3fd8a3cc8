"""LaSNN: a spiking student's stages learn where a teacher's stages look (attention transfer), layer by layer.

Hong et al., "LaSNN: Layer-wise ANN-to-SNN Distillation for Effective and Efficient Training in Deep Spiking Neural
Networks", 2023, which takes the attention of Zagoruyko and Komodakis, "Paying More Attention to Attention", ICLR 2017
(AT), Eq. (2):

    Q(F) = vec(sum_c |F_c|^p)
    L_AT = (beta / 2) * sum_l || Q_s^l / ||Q_s^l||_2 - Q_t^l / ||Q_t^l||_2 ||_p

F is the mean over time of what a stage puts out, firing rates of the student. No code of LaSNN is public.

It has no term on the labels, so that a sum counts them once: `Sum((CrossEntropy(), LaSNN()))`, with `VanillaKD` in
place of the cross-entropy where soft labels are wanted too.

Where the sources differ:
- `variant="at"`, the default, is the above. `variant="mse"` is what public code of BKDSNN runs under the name of LaSNN,
  and so probably the numbers that papers print for it: alpha * sum_l ||A(F_s^l) - F_t^l||_2^2 over the batch's size,
  without attention. A is a 1x1 convolution with bias where the channels differ. That code keeps its convolutions in
  a list, so they are never trained; here they are.
- `mode="code"`, the default, is the form of public code: beta * sum_l of the mean over batch and pixels of the squared
  difference, beta = 1000. `mode="paper"` is Eq. (2), a mean over the batch; torchdistill's "paper" mode is without the
  1/2.
- Which layers, p and weights LaSNN takes is not known: ends of all stages, p = 2.
- Maps of other sizes: the larger is averaged over patches, before the powers.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from spikedistill.errors import InputError
from spikedistill.methods.divergences import widened
from spikedistill.methods.method import Losses, MethodModule, Side, Signals, Weights
from spikedistill.methods.stages import OnStages, align, maps, pairs_of, same_size, squared_distance
from spikedistill.randomness import Draws
from spikedistill.values.checks import check_above, check_at_least, check_choice

CITATION = """\
@article{hong2023lasnn,
  title   = {{LaSNN}: Layer-wise {ANN}-to-{SNN} Distillation for Effective and Efficient Training in Deep Spiking Neural
             Networks},
  author  = {Hong, Di and Shen, Jiangrong and Qi, Yu and Wang, Yueming},
  journal = {arXiv preprint arXiv:2304.09101},
  year    = {2023}
}
@inproceedings{zagoruyko2017paying,
  title     = {Paying More Attention to Attention: Improving the Performance of Convolutional Neural Networks via
               Attention Transfer},
  author    = {Zagoruyko, Sergey and Komodakis, Nikos},
  booktitle = {International Conference on Learning Representations},
  year      = {2017}
}
"""

Variant = Literal["at", "mse"]
Mode = Literal["code", "paper"]


def attention(features: Float[Tensor, "B C H W"], p: float = 2.0) -> Float[Tensor, "B HW"]:
    """Q(F) / ||Q(F)||_2 with Q(F) = sum_c |F_c|^p; zeros where all of a sample's features are zero."""
    return F.normalize(widened(features).abs().pow(p).sum(dim=1).flatten(1), dim=1)


def attention_transfer(
    student: Float[Tensor, "B C H W"], teacher: Float[Tensor, "B D H W"], p: float = 2.0, mode: Mode = "code"
) -> Float[Tensor, ""]:
    """Distance of two stages' attention: a mean of squares ("code"), or the batch's mean of the p-norm ("paper")."""
    difference = attention(student, p) - attention(teacher, p)
    return difference.square().mean() if mode == "code" else difference.norm(p=p, dim=1).mean()


@dataclass(frozen=True)
class LaSNN(OnStages):
    """Attention transfer at all stages, the term `attention`; or squared distances of features, the term `feature`.

    No labels: see the module for sums.
    """

    name: ClassVar[str] = "lasnn"
    needs_labels: ClassVar[bool] = False

    variant: Variant = "at"
    """Attention transfer, or the squared distance that public code of BKDSNN calls LaSNN."""
    mode: Mode = "code"
    """Of attention transfer: the form of public code, or Eq. (2)."""
    p: float = 2.0
    """Power of the attention, and the norm of Eq. (2); 1 or above."""
    beta: float = 1000.0
    """Factor of attention transfer, 0 or above; halved in Eq. (2)."""
    alpha: float = 7e-5
    """Factor of the squared distance, 0 or above."""

    def __post_init__(self) -> None:
        check_choice(self, "variant", get_args(Variant))
        check_choice(self, "mode", get_args(Mode))
        check_above(self, "p", most=16.0)
        check_at_least(self, "p", bound=1.0)
        check_at_least(self, "beta", "alpha")

    @property
    def weights(self) -> Weights:
        """See the class."""
        if self.variant == "mse":
            return {"feature": self.alpha}
        return {"attention": self.beta if self.mode == "code" else self.beta / 2}

    def losses(
        self,
        student: Signals,
        teacher: Signals | None,
        labels: Tensor,
        draws: Draws | None = None,  # noqa: ARG002
    ) -> Losses:
        """See the class. Raises InputError where the variant "mse" has layers to train, which `build` makes."""
        taught = self.taught_by(teacher)
        module = self.build(Side(None, student), Side(None, taught))
        if list(module.parameters()):
            raise InputError(f"The method {self.name!r} has trained layers. Call what `build` returns.")
        return module(student, taught, labels)  # type: ignore[no-any-return]

    def build(self, student: Side, teacher: Side | None) -> "LaSNNModule":
        """The pairs of stages, and convolutions where the variant needs them.

        Raises:
            InputError: the two do not have as many stages; one is neither [T, B, C, H, W] nor [T, B, C]; attention is
                asked of maps of one pixel, where it is always the same.
        """
        return LaSNNModule(self, student, self.taught_side(teacher))


class LaSNNModule(MethodModule):
    """All pairs of stages."""

    def __init__(self, method: LaSNN, student: Side, teacher: Side) -> None:
        super().__init__(self._terms)
        self.method = method
        self.pairs = pairs_of(student, teacher, method.student_stages, method.teacher_stages)
        self.aligned = nn.ModuleList()
        for mine, theirs in self.pairs:
            ours, target = same_size(maps(student.signals, mine), maps(teacher.signals, theirs))
            if method.variant == "mse":
                self.aligned.append(align(ours.shape[1], target.shape[1]))
            elif ours[0, 0].numel() == 1:
                raise InputError(
                    f"Attention compares where networks look: {mine!r} and {theirs!r} have one pixel in common. Name "
                    "stages with maps, or take the variant 'mse'."
                )

    def _terms(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        taught = self.method.taught_by(teacher)
        stages = []
        for k, (mine, theirs) in enumerate(self.pairs):
            ours, target = same_size(maps(student, mine), maps(taught, theirs))
            if self.method.variant == "mse":
                stages.append(squared_distance(self.aligned[k](ours), target))
            else:
                stages.append(attention_transfer(ours, target, self.method.p, self.method.mode))
        return {"feature" if self.method.variant == "mse" else "attention": torch.stack(stages).sum()}
