"""KDSNN with features: the student's firing rates at the ends of stages learn what enters the teacher's last ReLUs.

Xu et al., "Constructing Deep Spiking Neural Networks from Artificial Neural Networks with Knowledge Distillation", CVPR
2023, Eq. (6)-(7), which takes the loss of Heo et al., "A Comprehensive Overhaul of Feature Distillation" (OFD), ICCV
2019:

    L_distill = sum over stages i of 2^-(N-1-i) * 1/B sum_{b,c,h,w} d(S, T')
    T' = max(T, margin_c)      d = 0 where S <= T' <= 0, else (S - T')^2

S is the mean over time of the student's spikes through a connector (1x1 convolution, batch norm), T the teacher's
current before the ReLU. The margin of a channel is E[x | x < 0] for x ~ N(beta, gamma^2), the weight and bias of the
norm before that ReLU; with Phi the normal distribution function

    margin = beta - |gamma| * exp(-(beta/gamma)^2 / 2) / (sqrt(2 pi) * Phi(-beta / |gamma|))

It has no term on the labels, so that a sum counts them once: Eq. (7) is `Sum((CrossEntropy(), KDSNNFeature()))`, and
`Sum((KDSNNResponse(), KDSNNFeature()))` is both of the paper's methods at once.

Where the paper is open or wrong:
- Eq. (6) and the text below it swap student and teacher. As in OFD: the margin is the teacher's, the loss is zero where
  S <= T <= 0.
- The paper names a 1x1 convolution and no norm. Default: with batch norm, OFD's code; `connector="convolution"` is the
  paper's.
- Weights of stages and alpha are not published. Defaults: OFD's, 1 for the last stage and half of it for each before
  (`stage_weights="equal"` is Eq. 6 as printed), alpha = 1/1000 of a mean over the batch.
- OFD's code sets margin = -3 |gamma| where Phi(-beta / |gamma|) <= 0.001. The margin jumps there (at beta / |gamma| =
  3.2 the mean is about -0.27 |gamma|); it is kept, since it is what was run.
- Where a residual is added between norm and ReLU, the margin is that of the norm all the same (OFD's code).
- OFD runs the teacher's batch norm in training mode; teachers are in evaluation mode here.
- Maps of other sizes: the larger is averaged over patches.

A foreign teacher's stages are named (`teacher_stages=("layer1.1.relu.input", ...)` for what enters that module): the
margins are known where one is a norm itself, or has a sibling `norm`, with a weight and a bias per channel. Where
there is none, the margin of a channel is the mean of its negative activations over a few training batches (0 where
none is negative), and the logger `spikedistill` says so.
"""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spikedistill.methods.divergences import widened
from spikedistill.methods.method import Losses, MethodModule, Side, Signals, Weights
from spikedistill.methods.stages import Connector, OnStages, channels, maps, pairs_of, same_size, squared_distance
from spikedistill.values.checks import check_at_least, check_choice

CITATION = """\
@inproceedings{xu2023constructing,
  title     = {Constructing Deep Spiking Neural Networks from Artificial Neural Networks with Knowledge Distillation},
  author    = {Xu, Qi and Li, Yaxin and Shen, Jiangrong and Liu, Jian K. and Tang, Huajin and Pan, Gang},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  pages     = {7886--7895},
  year      = {2023}
}
@inproceedings{heo2019comprehensive,
  title     = {A Comprehensive Overhaul of Feature Distillation},
  author    = {Heo, Byeongho and Kim, Jeesoo and Yun, Sangdoo and Park, Hyojin and Kwak, Nojun and Choi, Jin Young},
  booktitle = {Proceedings of the IEEE/CVF International Conference on Computer Vision},
  pages     = {1921--1930},
  year      = {2019}
}
"""

ConnectorKind = Literal["norm", "convolution"]
StageWeights = Literal["halved", "equal"]
BATCHES_TO_MEASURE = 4
"""Training batches that margins without a norm are from."""
logger = logging.getLogger("spikedistill")


def margin(weight: Float[Tensor, " C"], bias: Float[Tensor, " C"]) -> Float[Tensor, " C"]:
    """E[x | x < 0] for x ~ N(bias, weight^2), or -3 |weight| where P(x < 0) <= 0.001; 0 or below, in 64 bits."""
    scale, mean = weight.double().abs(), bias.double()
    # A channel of weight 0 is constant: the limit of the mean, as far as that is negative.
    ratio = mean / scale.clamp_min(1e-300)
    below = torch.special.ndtr(-ratio)
    density = torch.exp(-torch.square(ratio) / 2) / math.sqrt(2 * math.pi)
    conditional = torch.where(scale > 0, mean - scale * density / below.clamp_min(1e-300), mean.clamp_max(0.0))
    return torch.where(below > 0.001, conditional, -3.0 * scale)


def margin_of_activations(batches: Iterable[Float[Tensor, "_ _ C ..."]]) -> Float[Tensor, " C"]:
    """Mean of each channel's negative activations over all batches, 0 where there is none, in 64 bits."""
    sums, counts = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
    for activations in batches:
        rows = activations.detach().double().movedim(2, 0).flatten(1)
        negative = rows < 0
        sums = sums.to(rows.device) + torch.where(negative, rows, 0.0).sum(dim=1)
        counts = counts.to(rows.device) + negative.sum(dim=1)
    return sums / counts.clamp_min(1)


def margin_relu(x: Float[Tensor, "B C H W"], margins: Float[Tensor, " C"]) -> Float[Tensor, "B C H W"]:
    """max(x, margin_c)."""
    return torch.maximum(x, margins.to(x.dtype)[:, None, None])


def partial_l2(student: Float[Tensor, "B C H W"], teacher: Float[Tensor, "B C H W"]) -> Float[Tensor, ""]:
    """Eq. (6): (S - T)^2 but where S <= T <= 0; a sum over C, H, W, a mean over the batch."""
    ignored = (student <= teacher) & (teacher <= 0)
    return squared_distance(student, torch.where(ignored, student.detach(), teacher))


@dataclass(frozen=True)
class KDSNNFeature(OnStages):
    """Eq. (6) over all stages, times `weight`; the term `feature`. No labels: see the module for sums."""

    name: ClassVar[str] = "kdsnn-feature"
    needs_labels: ClassVar[bool] = False

    weight: float = 1e-3
    """alpha of Eq. (7), 0 or above."""
    connector: ConnectorKind = "norm"
    """1x1 convolution with batch norm (OFD's code), or alone (the paper)."""
    stage_weights: StageWeights = "halved"
    """1 for the last stage and half of it for each before (OFD), or 1 for all (the paper's Eq. 6)."""
    teacher_stages: tuple[str, ...] = field(default=("stages.current",), kw_only=True)
    """Where the teacher's currents before the ReLU are read; as many."""

    def __post_init__(self) -> None:
        check_at_least(self, "weight")
        check_choice(self, "connector", get_args(ConnectorKind))
        check_choice(self, "stage_weights", get_args(StageWeights))

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"feature": self.weight}

    def build(self, student: Side, teacher: Side | None) -> "FeatureModule":
        """A connector and the margins for each stage.

        Raises:
            InputError: the two do not have as many stages, or one is neither [T, B, C, H, W] nor [T, B, C].
        """
        return FeatureModule(self, student, self.taught_side(teacher))


class FeatureModule(MethodModule):
    """Connectors and margins of all stages."""

    def __init__(self, method: KDSNNFeature, student: Side, teacher: Side) -> None:
        super().__init__(self._terms)
        self.taught_by = method.taught_by
        self.pairs = pairs_of(student, teacher, method.student_stages, method.teacher_stages)
        last = len(self.pairs) - 1
        self.factors = [0.5 ** (last - k) if method.stage_weights == "halved" else 1.0 for k in range(last + 1)]
        self.connectors = nn.ModuleList()
        for k, (mine, theirs) in enumerate(self.pairs):
            inputs, outputs = channels(student.signals, mine), channels(teacher.signals, theirs)
            connector = Connector(inputs, outputs)
            self.connectors.append(connector if method.connector == "norm" else connector.conv)
            self.register_buffer(f"margin_{k}", _margin(teacher, theirs).float())

    def _terms(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        taught = self.taught_by(teacher)
        stages = []
        for k, (mine, theirs) in enumerate(self.pairs):
            rates, currents = same_size(maps(student, mine), widened(maps(taught, theirs)))
            target = margin_relu(currents, self.get_buffer(f"margin_{k}"))
            stages.append(self.factors[k] * partial_l2(widened(self.connectors[k](rates)), target))
        return {"feature": torch.stack(stages).sum()}


def _margin(teacher: Side, path: str) -> Tensor:
    """The margins of a teacher's stage, from its norm where it has one."""
    norm = _norm(teacher.network, path, channels(teacher.signals, path))
    if norm is not None:
        return margin(*norm)
    batches = teacher.a_few(BATCHES_TO_MEASURE)
    images = sum(signals.logits.shape[1] for signals in batches)
    said = "The margin of the teacher's %s is the mean of its negative activations for %d images: there is no norm."
    logger.warning(said, path, images)
    return margin_of_activations(signals.taps[path] for signals in batches)


def _norm(network: nn.Module | None, path: str, width: int) -> tuple[Tensor, Tensor] | None:
    """Weight and bias of the module of that path, or of its sibling `norm`."""
    modules = dict(network.named_modules()) if network is not None else {}
    stage = path.rpartition(".")[0]
    for name in (path, f"{stage}.norm" if stage else "norm"):
        weight, bias = (getattr(modules.get(name), part, None) for part in ("weight", "bias"))
        if isinstance(weight, Tensor) and isinstance(bias, Tensor) and weight.shape == bias.shape == (width,):
            return weight.detach(), bias.detach()
    return None
