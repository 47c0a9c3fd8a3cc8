"""Teacher default-KD: distillation from a virtual teacher that is never wrong.

Xu et al., "Reversing Structural Pattern Learning with Biologically Inspired Knowledge Distillation for Spiking Neural
Networks", ACM Multimedia 2024, Eq. (6)-(7), after Yuan et al., "Revisiting Knowledge Distillation via Label Smoothing
Regularization", CVPR 2020 (Tf-KD):

    L = weight * KL(p_T || q) + (1 - weight) * CE(q, y)

p gives `correct_prob` to the label and the rest evenly to the other classes, p_T is p at temperature T, and q is the
softmax of the student's mean logits. The paper's other half, sparse-KD, is a teacher: `spikedistill.teachers.Pruned`
under `VanillaKD`.

At T = 1 this is label smoothing, up to the constant weight * H(p): epsilon = weight * (1 - correct_prob) is spread over
the K - 1 other classes, which is `CrossEntropy(label_smoothing=epsilon * K / (K - 1))`, the control for this method.

Where the paper is open or differs from the code it builds on:
- One symbol stands for the virtual teacher's probability (Eq. 6, "above 0.9") and for the weight of its loss (Eq. 7).
  Here they are `correct_prob`, default 0.99 as in Tf-KD, and `weight`, default 1/2; Tf-KD has 0.1 and 0.95.
- "Flattened by temperature" is p^(1/T), scaled to a sum of 1: `soften="power"`, the default. Tf-KD's public code takes
  softmax(p / T), of probabilities: `soften="tfkd"`, near uniform at any T above 1 (0.0105 on the label at 100 classes,
  0.99 and T = 20, where power gives 0.0157). The paper's numbers were probably made with that.
- T is not published. Tf-KD has 20; `power` at 20 says little more. Default: 4.
- Neither softens the student in the virtual loss. Default: not; `soften_student` divides its logits by T too.
- Neither has T^2 here. Default: none; `scale="tau_squared"` has it.
- Tf-KD's factor of 100 makes up for a mean over classes; here the sum over classes is taken, and no factor is needed.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from spikedistill.errors import InputError
from spikedistill.methods.divergences import cross_entropy, mean_logits
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_above, check_choice, check_share

CITATION = """\
@inproceedings{xu2024reversing,
  title     = {Reversing Structural Pattern Learning with Biologically Inspired Knowledge Distillation for Spiking
               Neural Networks},
  author    = {Xu, Qi and Li, Yaxin and Fang, Xuanye and Shen, Jiangrong and Zhang, Qiang and Pan, Gang},
  booktitle = {Proceedings of the 32nd ACM International Conference on Multimedia},
  year      = {2024}
}

@inproceedings{yuan2020revisiting,
  title     = {Revisiting Knowledge Distillation via Label Smoothing Regularization},
  author    = {Yuan, Li and Tay, Francis E. H. and Li, Guilin and Wang, Tao and Feng, Jiashi},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2020}
}
"""

Soften = Literal["power", "tfkd"]
Scale = Literal["none", "tau_squared"]


def virtual_teacher(labels: Int[Tensor, " B"], classes: int, correct_prob: float) -> Float[Tensor, "B K"]:
    """Eq. (6): `correct_prob` on the label, the rest spread evenly over the other classes; float64.

    Raises:
        InputError: the label would be less probable than the others.
    """
    if correct_prob < 1.0 / classes:
        raise InputError(
            f"correct_prob is {correct_prob:g}, less than chance for {classes} classes: the virtual teacher would be "
            f"wrong. Take {1.0 / classes:.3g} or more; the paper has above 0.9."
        )
    other = (1.0 - correct_prob) / max(classes - 1, 1)
    p = torch.full((len(labels), classes), other, dtype=torch.float64, device=labels.device)
    return p.scatter(1, labels.long().unsqueeze(1), correct_prob)


def soften_power(p: Float[Tensor, "B K"], temperature: float) -> Float[Tensor, "B K"]:
    """p^(1/T) / sum of p^(1/T): the softmax at temperature T of logits whose softmax is p."""
    powers = p ** (1.0 / temperature)
    return powers / powers.sum(dim=-1, keepdim=True)


def soften_tfkd(p: Float[Tensor, "B K"], temperature: float) -> Float[Tensor, "B K"]:
    """softmax(p / T), a softmax of probabilities, as in Tf-KD's public code."""
    return F.softmax(p / temperature, dim=-1)


def virtual_kl(target: Float[Tensor, "B K"], logits: Float[Tensor, "B K"]) -> Float[Tensor, ""]:
    """The batch's mean of KL(target || softmax(logits)); a class whose target is 0 counts 0."""
    return F.kl_div(F.log_softmax(logits, dim=-1), target.to(logits), reduction="batchmean")


@dataclass(frozen=True)
class DefaultKD(Method):
    """L = weight * KL(virtual teacher || student) + (1 - weight) * CE(student, y).

    Terms: `virtual_kl` and `cross_entropy`; one whose weight is 0 is left out.
    """

    name: ClassVar[str] = "default-kd"
    needs_teacher: ClassVar[bool] = False

    weight: float = 0.5
    """Share of the virtual teacher in the loss, in [0, 1]; the labels get the rest."""
    correct_prob: float = 0.99
    """What the virtual teacher gives to the label, from 1 / classes to 1; above 0.9 in the paper."""
    temperature: float = 4.0
    """T, above 0."""
    soften: Soften = "power"
    """How the virtual teacher is softened: p^(1/T) (the paper's words), or softmax(p / T) (Tf-KD's code)."""
    soften_student: bool = False
    """Whether the student's logits are divided by T too in the virtual loss; neither source does."""
    scale: Scale = "none"
    """Factor of the virtual loss: none (both sources), or T^2."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]; not the virtual teacher's."""

    def __post_init__(self) -> None:
        check_share(self, "weight", "correct_prob", "label_smoothing")
        check_above(self, "temperature", most=1e6)
        check_choice(self, "soften", get_args(Soften))
        check_choice(self, "scale", get_args(Scale))

    @property
    def weights(self) -> Weights:
        """See the class."""
        scale = self.temperature**2 if self.scale == "tau_squared" else 1.0
        return {"virtual_kl": self.weight * scale, "cross_entropy": 1.0 - self.weight}

    def target(self, labels: Int[Tensor, " B"], classes: int) -> Float[Tensor, "B K"]:
        """Return what the virtual teacher says of images of these classes, softened.

        Raises:
            InputError: `correct_prob` is below 1 / classes.
        """
        soften = soften_power if self.soften == "power" else soften_tfkd
        return soften(virtual_teacher(labels, classes, self.correct_prob), self.temperature)

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class.

        Raises:
            InputError: `correct_prob` is below 1 / classes.
        """
        mean = mean_logits(student.logits)
        losses: Losses = {}
        if self.weight > 0.0:
            answer = mean[0] / (self.temperature if self.soften_student else 1.0)
            losses["virtual_kl"] = virtual_kl(self.target(labels, mean.shape[-1]), answer)
        if self.weight < 1.0:
            losses["cross_entropy"] = cross_entropy(mean, labels, self.label_smoothing)
        return losses
