"""FitNet: the middle of the student learns, through a regressor, to give the middle of the teacher (a hint).

Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, Eq. (3):

    L_HT = 1/2 || u_h(x) - r(v_g(x)) ||^2

u_h is the teacher's hint layer, v_g the student's guided layer and r the regressor, trained with the student. v_g is
the mean over time of the student's spikes here.

It has no term on the labels, so that a sum counts them once: `Sum((CrossEntropy(), FitNet()))`, with `VanillaKD` in
place of the cross-entropy for the paper's second stage.

Where sources differ:
- The paper trains on the hint first, then without it. Public code (RepDistiller) adds the hint to the other losses all
  along, and so does a sum; phases of a recipe do not change methods.
- `scale="mean"`, the default, is public code's mean over batch, channels and pixels, times `weight` = 100.
  `scale="half_sum"` is Eq. (3), a mean over the batch; take a `weight` of 1 with it.
- The regressor is a convolution whose kernel makes the sizes equal (the paper), or 3x3 (public code). Here it is 1x1
  with batch norm, and the larger map is averaged over patches. A ReLU follows, as in public code: "the same
  non-linearity" as the teacher's, in the paper's words.
- Of several stages on a side the middle one is taken, number n // 2 of 0, ..., n - 1; name another by its path.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from spikedistill.methods.divergences import widened
from spikedistill.methods.method import Losses, MethodModule, Side, Signals, Weights
from spikedistill.methods.stages import Connector, OnStages, channels, maps, paths_of, same_size, squared_distance
from spikedistill.values.checks import check_at_least, check_choice

CITATION = """\
@inproceedings{romero2015fitnets,
  title     = {{FitNets}: Hints for Thin Deep Nets},
  author    = {Romero, Adriana and Ballas, Nicolas and Kahou, Samira Ebrahimi and Chassang, Antoine and Gatta, Carlo
               and Bengio, Yoshua},
  booktitle = {International Conference on Learning Representations},
  year      = {2015}
}
"""

Scale = Literal["mean", "half_sum"]


def hint(
    teacher: Float[Tensor, "B C H W"], student: Float[Tensor, "B C H W"], scale: Scale = "mean"
) -> Float[Tensor, ""]:
    """Mean of squared differences ("mean"), or half their sum, a mean over the batch (Eq. 3, "half_sum")."""
    if scale == "mean":
        return F.mse_loss(widened(student), widened(teacher))
    return squared_distance(student, teacher) / 2


@dataclass(frozen=True)
class FitNet(OnStages):
    """The hint of one pair of stages, of several the middle ones, times `weight`; the term `hint`.

    No labels: see the module for sums.
    """

    name: ClassVar[str] = "fitnet"
    needs_labels: ClassVar[bool] = False

    weight: float = 100.0
    """Factor of the hint, 0 or above; 100 in public code for the mean."""
    scale: Scale = "mean"
    """Mean over all numbers (public code), or half the sum (Eq. 3)."""

    def __post_init__(self) -> None:
        check_at_least(self, "weight")
        check_choice(self, "scale", get_args(Scale))

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"hint": self.weight}

    def build(self, student: Side, teacher: Side | None) -> "HintModule":
        """The regressor.

        Raises:
            InputError: an activation is neither [T, B, C, H, W] nor [T, B, C].
        """
        return HintModule(self, student, self.taught_side(teacher))


class HintModule(MethodModule):
    """The guided layer, the hint layer, and the regressor between them."""

    def __init__(self, method: FitNet, student: Side, teacher: Side) -> None:
        super().__init__(self._terms)
        self.method = method
        self.guided = _middle(paths_of(student.signals.taps, method.student_stages, "student"))
        self.hint = _middle(paths_of(teacher.signals.taps, method.teacher_stages, "teacher"))
        self.regressor = Connector(channels(student.signals, self.guided), channels(teacher.signals, self.hint))

    def _terms(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        taught = self.method.taught_by(teacher)
        guided, target = same_size(maps(student, self.guided), maps(taught, self.hint))
        return {"hint": hint(target, F.relu(self.regressor(guided)), self.method.scale)}


def _middle(paths: list[str]) -> str:
    return paths[len(paths) // 2]
