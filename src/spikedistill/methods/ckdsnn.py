"""CKDSNN: the student's spikes go where the teacher's class is seen (SAMD); soft labels smoothed by noise (NLD).

Liu et al., "A Closer Look at Knowledge Distillation in Spiking Neural Network Training", AAAI 2026, as in its public
code:

    L = CE(zbar, y) + samd * tau^2 * KL(softmax(C / tau) || softmax(A / tau)) + nld * tau^2 * KL(p_tau || q)

C is the teacher's class activation map: the last stage's map weighted by the readout's weights of the class that the
teacher predicts, ReLU. A is the sum of the student's last stage's spikes over time and channels. Both are scaled to
(x - min x) / (max(x - min x) + 1e-3), with extremes over the whole batch; their softmax is over pixels. p_tau is the
softmax of the teacher's logits at tau, and with `noise="mixed"`, the default,

    q = (1 - w) softmax(zbar / tau) + w softmax(n / tau)    n = mean_k zbar + std_k(zbar)^2 * epsilon

epsilon is standard normal, std has K - 1 in its denominator, and the gradient goes through both statistics.

Where paper and code differ:
- The paper adds noise to the logits: `noise="added"`, q = softmax((zbar + w * epsilon) / tau).
- The code's divergence of maps has no factor tau^2; it has one here, and `samd` = 1 / tau^2 is the code's.
- Of several stages the last is taken; maps of other sizes: the larger is averaged over patches.

The readout is the teacher's last linear layer from the stage's channels to the classes. Where there is none (a hidden
layer follows the last stage, say), the sum over the teacher's channels stands in place of C, and the logger
`spikedistill` says so. The noise is a function of (seed, epoch, index). This is a whole loss; `hard_weight=0` leaves
the labels' term to the other parts of a sum.
"""

import logging
import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from spikedistill.errors import InputError
from spikedistill.methods.divergences import cross_entropy, mean_logits, target_logits, widened
from spikedistill.methods.method import Losses, MethodModule, Side, Signals, Weights
from spikedistill.methods.stages import OnStages, channels, maps, paths_of, same_size
from spikedistill.randomness import Draws
from spikedistill.values.checks import check_above, check_at_least, check_choice, check_share

CITATION = """\
@inproceedings{liu2026closer,
  title     = {A Closer Look at Knowledge Distillation in Spiking Neural Network Training},
  author    = {Liu, Xu and Xia, Na and Zhou, Jinxing and Xu, Jingyuan and Guo, Dan},
  booktitle = {Proceedings of the AAAI Conference on Artificial Intelligence},
  note      = {arXiv:2511.06902},
  year      = {2026}
}
"""

Noise = Literal["mixed", "added"]
logger = logging.getLogger("spikedistill")


def activation_map(teacher: Float[Tensor, "B C H W"], weight: Float[Tensor, "B C"] | None) -> Float[Tensor, "B 1 H W"]:
    """ReLU of the sum over channels, each times the weight of the sample's class; all weights 1 where None."""
    weighted = teacher if weight is None else teacher * weight[:, :, None, None]
    return torch.relu(weighted.sum(dim=1, keepdim=True))


def scaled(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """(x - min x) / (max(x - min x) + 1e-3)."""
    shifted = x - x.min()
    return shifted / (shifted.max() + 1e-3)


def samd(teacher: Float[Tensor, "B 1 H W"], student: Float[Tensor, "B 1 H W"], temperature: float) -> Float[Tensor, ""]:
    """mean_b KL(softmax(C / tau) || softmax(A / tau)) over pixels, of scaled maps."""
    log_p, log_q = (F.log_softmax(scaled(one).flatten(1) / temperature, dim=1) for one in (teacher, student))
    return (log_p.exp() * (log_p - log_q)).sum(dim=1).mean()


def nld(
    teacher: Float[Tensor, "1 B K"],
    student: Float[Tensor, "1 B K"],
    epsilon: Float[Tensor, "B K"],
    weight: float,
    temperature: float,
    noise: Noise = "mixed",
) -> Float[Tensor, ""]:
    """mean_b KL(p_tau || q), with q smoothed by noise; see the module."""
    logits = student[0]
    log_p = F.log_softmax(teacher[0] / temperature, dim=-1)
    if noise == "added" or weight == 0.0:
        log_q = F.log_softmax((logits + weight * epsilon) / temperature, dim=-1)
    else:
        noisy = logits.mean(dim=-1, keepdim=True) + logits.var(dim=-1, keepdim=True) * epsilon
        log_q = torch.logaddexp(
            math.log1p(-weight) + F.log_softmax(logits / temperature, dim=-1),
            math.log(weight) + F.log_softmax(noisy / temperature, dim=-1),
        )
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean()


def normal(draws: Draws, stream: str, *shape: int) -> Float[Tensor, "B *shape"]:
    """Standard normal numbers of two uniform ones each (Box and Muller, 1958)."""
    radius = torch.sqrt(-2.0 * torch.log1p(-draws.uniform(f"{stream} radius", *shape)))
    return radius * torch.cos(2.0 * math.pi * draws.uniform(f"{stream} angle", *shape))


@dataclass(frozen=True)
class CKDSNN(OnStages):
    """L = hard_weight * CE + samd * tau^2 * SAMD + nld * tau^2 * NLD; see the module.

    Terms: `cross_entropy`, `samd`, `nld`; one whose weight is 0 is left out. Of several stages the last is read.
    """

    name: ClassVar[str] = "ckdsnn"
    draws: ClassVar[bool] = True

    samd: float = 1.0
    """Factor of the maps' divergence beside tau^2, 0 or above."""
    nld: float = 1.0
    """Factor of the soft labels beside tau^2, 0 or above."""
    noise_weight: float = 0.1
    """Share of the noise in the student's probabilities, in [0, 0.99]; or its deviation, where it is added."""
    noise: Noise = "mixed"
    """Probabilities are mixed with those of noise (code), or noise is added to logits (paper)."""
    temperature: float = 2.0
    """tau of maps and soft labels, above 0."""
    hard_weight: float = 1.0
    """Factor of the labels, 0 or above."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_at_least(self, "samd", "nld", "hard_weight")
        check_at_least(self, "noise_weight", most=0.99)
        check_share(self, "label_smoothing")
        check_above(self, "temperature", most=1e6)
        check_choice(self, "noise", get_args(Noise))

    @property
    def weights(self) -> Weights:
        """See the class."""
        scale = self.temperature**2
        return {"cross_entropy": self.hard_weight, "samd": self.samd * scale, "nld": self.nld * scale}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor, draws: Draws | None = None) -> Losses:
        """See the class; without networks, so with the sum over the teacher's channels."""
        taught = self.taught_by(teacher)
        module = self.build(Side(None, student), Side(None, taught))
        return module(student, taught, labels, draws)  # type: ignore[no-any-return]

    def build(self, student: Side, teacher: Side | None) -> "ActivationModule":
        """What finds the teacher's readout.

        Raises:
            InputError: an activation is neither [T, B, C, H, W] nor [T, B, C]; the maps have one pixel in common.
        """
        return ActivationModule(self, student, self.taught_side(teacher))


class ActivationModule(MethodModule):
    """The last stages, and the teacher's readout as it is where the teacher is asked."""

    def __init__(self, method: CKDSNN, student: Side, teacher: Side) -> None:
        super().__init__(self._terms)
        self.method = method
        self.mine = paths_of(student.signals.taps, method.student_stages, "student")[-1]
        self.theirs = paths_of(teacher.signals.taps, method.teacher_stages, "teacher")[-1]
        ours, _ = same_size(maps(student.signals, self.mine), maps(teacher.signals, self.theirs))
        if ours[0, 0].numel() == 1 and method.samd > 0.0:
            raise InputError(
                f"SAMD compares where networks look: {self.mine!r} and {self.theirs!r} have one pixel in common. Name "
                "stages with maps, or leave SAMD out (samd=0)."
            )
        weight = _readout(teacher, channels(teacher.signals, self.theirs))
        if weight is None and method.samd > 0.0:
            logger.warning("No linear readout of the teacher's %s: its map is the sum over channels.", self.theirs)
        self.readout: Tensor | None
        self.register_buffer("readout", weight, persistent=False)

    def _terms(self, student: Signals, teacher: Signals | None, labels: Tensor, draws: Draws) -> Losses:
        method = self.method
        taught = method.taught_by(teacher)
        target, mean = target_logits(taught, student), mean_logits(student.logits)
        losses: Losses = {}
        if method.hard_weight > 0.0:
            losses["cross_entropy"] = cross_entropy(mean, labels, method.label_smoothing)
        if method.samd > 0.0:
            weight = None if self.readout is None else self.readout[target[0].argmax(dim=-1)]
            cam = activation_map(widened(maps(taught, self.theirs)), weight)
            spikes = widened(maps(student, self.mine)).sum(dim=1, keepdim=True) * len(student.logits)
            losses["samd"] = samd(*same_size(cam, spikes), method.temperature)
        if method.nld > 0.0:
            epsilon = normal(draws, "ckdsnn", mean.shape[-1]).to(mean.dtype)
            losses["nld"] = nld(target, mean, epsilon, method.noise_weight, method.temperature, method.noise)
        return losses


def _readout(teacher: Side, width: int) -> Tensor | None:
    """Weights [K, C] of the last linear layer from so many channels to the classes."""
    shape = (teacher.signals.logits.shape[-1], width)
    layers = teacher.network.modules() if teacher.network is not None else ()
    found = [layer.weight.detach().clone() for layer in layers if isinstance(layer, nn.Linear)]
    return next((weight for weight in reversed(found) if weight.shape == shape), None)
