"""Distilling Spikes: a spiking student imitates the output spikes of a spiking teacher, step by step, without labels.

Kushawaha et al., "Distilling Spikes: Knowledge Distillation in Spiking Neural Networks", ICPR 2020, Eq. (7)-(10):

    L = alpha * L_sL1 + beta * L_L2 + gamma * L_KL

S, the spiking activation tensor [T, B, K], is what the last layer puts out at each step; d = S_T - S_S. Rows of the
paper's table 2 are corners of the simplex: full L1 is `alpha=1, beta=0, gamma=0, l1="full"`, and so on. The teacher
assistant of table 3 is a chain of recipes, each with this method.

Where the paper is open or wrong:
- Eq. (8) is a norm. Default: the mean of |d| and of d^2 over all elements, free of scale; `full_l2="norm"` is the norm
  (with `reduction="mean"` the root of the mean square), `reduction="sum"` the sum, which is the paper's.
- Eq. (7) gives no dimension: the softmax is over classes at each step, the mean over time and batch. It is the reverse
  KL(student || teacher), the default; `direction="forward"` is KL(teacher || student).
- Eq. (9) slides a window i : i + Delta over all i. Default: `edges="valid"`, the windows that lie within T.
  `edges="truncated"` has one from every step on, the last of them cut off at T, which is what the slices say.
- Eq. (9) sums. Default: divided by batch, classes, number of windows and Delta; `reduction="sum"` is the paper's.
- Its L2 norm is not squared: the default; `sliding_l2="squared"` squares it.
- The norm of a slice compares each step of a window, the default (`compared="steps"`). `compared="rates"` compares the
  windows' firing rates, the sums over their steps: another loss, which lets a spike come a little late.
- Sliding L1 and squared sliding L2 of steps are full ones whose steps have other weights: step t counts as often as
  windows hold it, min(t + 1, Delta, T - t, T - Delta + 1) times with valid windows of stride 1. With Delta = T they are
  the full ones.
- alpha, beta and gamma are from a grid search and not published. Default: 0.2, 0.2, 0.6. The paper has them above 0;
  here they may be 0, for table 2.
- Delta is 32 to 128; the best for sliding L1 is 128 (MNIST), 32 (Fashion-MNIST) and 96 (CIFAR-10), for sliding L2 32
  (CIFAR-10). T is not published. Default: all of T.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from spikedistill.errors import InputError
from spikedistill.methods.divergences import kl_divergence, widened
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_choice, check_count, check_share

CITATION = """\
@inproceedings{kushawaha2021distilling,
  title     = {Distilling Spikes: Knowledge Distillation in Spiking Neural Networks},
  author    = {Kushawaha, Ravi Kumar and Kumar, Saurabh and Banerjee, Biplab and Velmurugan, Rajbabu},
  booktitle = {International Conference on Pattern Recognition},
  year      = {2021}
}
"""

Extent = Literal["full", "sliding"]
Reduction = Literal["mean", "sum"]
Power = Literal["norm", "squared"]
Edges = Literal["valid", "truncated"]
Compared = Literal["steps", "rates"]
Direction = Literal["reverse", "forward"]


def full_l1(d: Float[Tensor, "T B K"], reduction: Reduction = "mean") -> Float[Tensor, ""]:
    """Eq. (8), m = 1: the mean or the sum of |d|."""
    return d.abs().mean() if reduction == "mean" else d.abs().sum()


def full_l2(d: Float[Tensor, "T B K"], power: Power = "squared", reduction: Reduction = "mean") -> Float[Tensor, ""]:
    """Eq. (8), m = 2: the mean or the sum of d^2, or its root."""
    if power == "norm":
        norm: Tensor = torch.linalg.vector_norm(d)
        return norm / math.sqrt(d.numel()) if reduction == "mean" else norm
    return d.square().mean() if reduction == "mean" else d.square().sum()


def window_sums(
    x: Float[Tensor, "T B K"], window: int, stride: int = 1, edges: Edges = "valid"
) -> Float[Tensor, "N B K"]:
    """The sums over all windows; what is cut off at the end is 0.

    A window is put together from stretches of 1, 2, 4, ... steps, of which each is two of the last: additions of whole
    tensors, as many as twice the digits of `window`, and no differences that would cancel.
    """
    beyond = window - 1 if edges == "truncated" else 0
    stretches = F.pad(x, (0, 0, 0, 0, 0, beyond))
    last = len(stretches) - window
    sums, begin, length = torch.zeros_like(stretches[: last + 1 : stride]), 0, 1
    while True:
        if window & length:
            sums = sums + stretches[begin : begin + last + 1 : stride]
            begin += length
        if begin == window:
            return sums
        stretches = stretches[:-length] + stretches[length:]
        length *= 2


def sliding_l1(
    d: Float[Tensor, "T B K"], window: int, stride: int = 1, edges: Edges = "valid", reduction: Reduction = "mean"
) -> Float[Tensor, ""]:
    """Eq. (9), m = 1: the mean or the sum over windows, batch and classes of the windows' mean or sum of |d|."""
    each = window_sums(d.abs(), window, stride, edges)
    return each.mean() / window if reduction == "mean" else each.sum()


def sliding_l2(
    d: Float[Tensor, "T B K"],
    window: int,
    stride: int = 1,
    edges: Edges = "valid",
    power: Power = "norm",
    reduction: Reduction = "mean",
) -> Float[Tensor, ""]:
    """Eq. (9), m = 2: the sum of the windows' norms, squared or not; the mean divides by windows, Delta, B and K."""
    each = window_sums(d.square(), window, stride, edges)
    if power == "norm":
        equal = each == 0.0  # where the root has no gradient; the norm's is 0
        each = torch.where(equal, 1.0, each).sqrt().masked_fill(equal, 0.0)
    return each.mean() / window if reduction == "mean" else each.sum()


def sliding_rates(
    d: Float[Tensor, "T B K"],
    window: int,
    stride: int = 1,
    edges: Edges = "valid",
    power: Power = "norm",
    reduction: Reduction = "mean",
) -> Float[Tensor, ""]:
    """The windows' differences in rate, absolute ("norm") or squared: a mean of rates, or a sum of sums over steps."""
    each = window_sums(d, window, stride, edges)
    each = each / window if reduction == "mean" else each
    each = each.abs() if power == "norm" else each.square()
    return each.mean() if reduction == "mean" else each.sum()


@dataclass(frozen=True)
class DistillingSpikes(Method):
    """L = alpha * L1 + beta * L2 + gamma * KL of the spiking activation tensors; labels are not looked at.

    Terms: `l1`, `l2` and `kl`; one whose weight is 0 is left out. Add labels with `Sum((DistillingSpikes(),
    CrossEntropy()))`. Defaults are the paper's "Proposed": sliding L1, full L2 and KL.
    """

    name: ClassVar[str] = "distilling-spikes"
    needs_labels: ClassVar[bool] = False
    same_steps: ClassVar[bool] = True

    alpha: float = 0.2
    """Share of L1, in [0, 1]; the three shares add up to 1."""
    beta: float = 0.2
    """Share of L2, in [0, 1]."""
    gamma: float = 0.6
    """Share of KL, in [0, 1]."""
    l1: Extent = "sliding"
    """Whether L1 is of the whole tensors or of windows."""
    l2: Extent = "full"
    """Likewise for L2."""
    window: int | None = None
    """Delta, in time steps, at most T; all of T where None."""
    stride: int = 1
    """Steps from one window to the next; as many as `window` has for windows that do not overlap."""
    edges: Edges = "valid"
    """Windows that lie within T, or those that begin within it, cut off at T."""
    compared: Compared = field(default="steps", metadata={"added": True})
    """What is compared in a window: each step (the paper's), or the rates of student and teacher over the window."""
    full_l2: Power = "squared"
    """Whether the full L2 is the square of the norm or the norm."""
    sliding_l2: Power = "norm"
    """Whether the sliding L2 is the windows' norm (the paper's) or its square."""
    reduction: Reduction = "mean"
    """Of L1 and L2: means, or sums over everything, batch too (the paper's)."""
    direction: Direction = "reverse"
    """KL(student || teacher), the paper's, or `forward`: KL(teacher || student)."""

    def __post_init__(self) -> None:
        check_share(self, "alpha", "beta", "gamma")
        if abs(self.alpha + self.beta + self.gamma - 1.0) > 1e-6:
            raise InputError(
                f"alpha, beta and gamma must add up to 1: {self.alpha:g} + {self.beta:g} + {self.gamma:g} is "
                f"{self.alpha + self.beta + self.gamma:g}. Divide each by their sum."
            )
        if self.window is not None:
            check_count(self, "window", high=10**5)
        check_count(self, "stride", high=10**5)
        for extent in ("l1", "l2"):
            check_choice(self, extent, get_args(Extent))
        for power in ("full_l2", "sliding_l2"):
            check_choice(self, power, get_args(Power))
        check_choice(self, "compared", get_args(Compared))
        check_choice(self, "edges", get_args(Edges))
        check_choice(self, "reduction", get_args(Reduction))
        check_choice(self, "direction", get_args(Direction))

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"l1": self.alpha, "l2": self.beta, "kl": self.gamma}

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class.

        Raises:
            InputError: student and teacher differ in steps or classes, or the window is longer than T.
        """
        taught, learned = widened(self.taught_by(teacher).logits), widened(student.logits)
        if taught.shape != learned.shape:
            raise InputError(
                f"The student's spikes are {tuple(learned.shape)} (steps, batch, classes), the teacher's "
                f"{tuple(taught.shape)}. {self.name} compares each step; give both as many steps and the same classes."
            )
        window = self._window(len(learned))
        d = taught - learned
        losses: Losses = {}
        if self.alpha > 0.0:
            full = self.l1 == "full"
            losses["l1"] = full_l1(d, self.reduction) if full else self._sliding(d, window, 1)
        if self.beta > 0.0:
            full = self.l2 == "full"
            losses["l2"] = full_l2(d, self.full_l2, self.reduction) if full else self._sliding(d, window, 2)
        if self.gamma > 0.0:
            pair = (learned, taught) if self.direction == "reverse" else (taught, learned)
            losses["kl"] = kl_divergence(*pair)
        return losses

    def _sliding(self, d: Float[Tensor, "T B K"], window: int, m: Literal[1, 2]) -> Float[Tensor, ""]:
        """Eq. (9) with the m-th norm."""
        if self.compared == "rates":
            return sliding_rates(
                d, window, self.stride, self.edges, "norm" if m == 1 else self.sliding_l2, self.reduction
            )
        if m == 1:
            return sliding_l1(d, window, self.stride, self.edges, self.reduction)
        return sliding_l2(d, window, self.stride, self.edges, self.sliding_l2, self.reduction)

    def _window(self, steps: int) -> int:
        if self.window is not None and self.window > steps:
            raise InputError(
                f"A window of {self.window} steps is longer than the {steps} of the network. Take a window of at most "
                f"{steps}, or more steps."
            )
        return self.window or steps
