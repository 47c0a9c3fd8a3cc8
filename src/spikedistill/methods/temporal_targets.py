"""Time steps that learn from other time steps: what target each gets, for methods that need no teacher.

Etc, StrongToWeak, WeakToStrong and STA are one loss, tau^2 * mean KL(softmax(target / tau) || softmax(z(t) / tau)), and
differ in the target: the others one by one, the surest or the least sure, a mixture of the others. Each function here
gives such targets and, in the same order, the steps that learn from them. Targets are without gradient. A lone time
step gets itself as the target, for which the loss is 0.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from spikedistill.methods.divergences import cross_entropy, kl_divergence, mean_logits, widened
from spikedistill.methods.method import Losses, Method, Signals, Weights
from spikedistill.values.checks import check_above, check_at_least, check_choice, check_share

Logits = Float[Tensor, "T B K"]
Lessons = tuple[Float[Tensor, "N B K"], Float[Tensor, "N B K"]]
"""Targets, and the logits that learn from them."""
Labelled = Literal["steps", "mean"]
"""Where labels are learned: at each time step, or from the mean of the logits over time."""


@dataclass(frozen=True)
class SelfTaught(Method):
    """Base of these methods: L = CE + weight * tau^2 * KL, the mean over what `lessons` pairs.

    Terms: `cross_entropy`, at each step or of the mean over time, and `self_distillation`; the latter is left out where
    its weight is 0.
    """

    abstract: ClassVar[bool] = True
    needs_teacher: ClassVar[bool] = False

    weight: float = 1.0
    """Weight of what steps learn from each other, 0 or above."""
    temperature: float = 2.0
    """tau, above 0."""
    labelled: Labelled = "mean"
    """Where labels are learned: from the mean of the logits over time, or at each time step."""
    label_smoothing: float = 0.0
    """Share of the labels' target that is spread evenly over all classes, in [0, 1]."""

    def __post_init__(self) -> None:
        check_at_least(self, "weight", most=1e9)
        check_above(self, "temperature", most=1e6)
        check_choice(self, "labelled", get_args(Labelled))
        check_share(self, "label_smoothing")

    @property
    def weights(self) -> Weights:
        """See the class."""
        return {"self_distillation": self.weight * self.temperature**2}

    def lessons(self, steps: Logits) -> Lessons:
        """Return targets, and the steps that learn from them."""
        raise NotImplementedError

    def self_distillation(self, steps: Logits) -> Float[Tensor, ""] | None:
        """Return the raw term; None where there is nothing to learn."""
        return kl_divergence(*self.lessons(steps), self.temperature)

    def losses(self, student: Signals, teacher: Signals | None, labels: Tensor) -> Losses:  # noqa: ARG002
        """See the class; the terms are raw."""
        steps = student.logits
        read = steps if self.labelled == "steps" else mean_logits(steps)
        losses = {"cross_entropy": cross_entropy(read, labels, self.label_smoothing)}
        learned = self.self_distillation(steps) if self.weight > 0.0 else None
        return losses if learned is None else losses | {"self_distillation": learned}


def each_other_step(steps: Logits) -> Lessons:
    """Every step learns from every other one: T * (T - 1) pairs."""
    shifts = range(1, max(len(steps), 2))
    targets = torch.cat([steps.detach().roll(shift, dims=0) for shift in shifts])
    return targets, steps.repeat(len(shifts), 1, 1)


def confidence(steps: Logits) -> Float[Tensor, " T"]:
    """Mean over the batch of the largest probability at each step."""
    return F.softmax(widened(steps.detach()), dim=-1).amax(dim=-1).mean(dim=-1)


def one_step(steps: Logits, taught: Int[Tensor, ""], learns: Int[Tensor, ""]) -> Lessons:
    """The step `learns` learns from the step `taught`."""
    return steps.detach().index_select(0, taught.view(1)), steps.index_select(0, learns.view(1))


def one_for_all(steps: Logits, taught: Int[Tensor, ""]) -> Lessons:
    """All steps learn from the step `taught`; from itself it learns nothing."""
    return steps.detach().index_select(0, taught.view(1)).expand_as(steps), steps


def mixture_of_others(steps: Logits) -> Lessons:
    """Each step learns from a mixture of the logits of the others, more from those that are sure and like itself.

    target[t] = sum_j w[t, j] z(j), w[t] = softmax over j != t of (1 - H(q(j)) / log K) * cos(z(t), z(j)).
    """
    z = widened(steps.detach())
    log_q = F.log_softmax(z, dim=-1)
    classes = torch.tensor(float(z.shape[-1]), device=z.device, dtype=z.dtype)
    sure = 1.0 + (log_q.exp() * log_q).sum(dim=-1) / classes.log()
    directions = F.normalize(z, dim=-1)
    scores = torch.einsum("tbk,jbk->btj", directions, directions) * sure.T[:, None, :]
    if len(z) > 1:
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        scores = scores.masked_fill(itself, -torch.inf)
    return torch.einsum("btj,jbk->tbk", scores.softmax(dim=-1), z), steps
