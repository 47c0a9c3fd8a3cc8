"""What methods compare logits with: cross-entropy, Kullback-Leibler divergence, entropy, and means over time.

Logits are [T, B, K]. Every scalar is a mean over time and batch, a sum over classes, in nats. A loss on the mean over
time is the loss of logits with T = 1, so one function serves both and they are equal where T is 1. Everything is
computed in 32 bits or more whatever the logits' dtype.

Nothing here is multiplied by tau^2; the methods do that.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from spikedistill.errors import InputError
from spikedistill.methods.method import Signals


def widened(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The same numbers in 32 bits or more."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def mean_logits(logits: Float[Tensor, "T B K"]) -> Float[Tensor, "1 B K"]:
    """Mean over time."""
    return widened(logits).mean(dim=0, keepdim=True)


def mean_probabilities(logits: Float[Tensor, "T B K"], temperature: float = 1.0) -> Float[Tensor, "1 B K"]:
    """Logits whose softmax at `temperature` is the mean over time of the steps' softmax at that temperature.

    temperature * log(mean_t softmax(z(t) / temperature)), so that every function here reads them like a mean of logits.
    """
    steps = _log_softmax(logits, temperature)
    return temperature * (steps.logsumexp(dim=0, keepdim=True) - math.log(len(steps)))


def target_logits(teacher: Signals, student: Signals) -> Float[Tensor, "1 B K"]:
    """The teacher's logits, mean over its own time steps (a spiking teacher has several).

    Raises:
        InputError: teacher and student tell different numbers of classes apart.
    """
    taught, learned = teacher.logits.shape[-1], student.logits.shape[-1]
    if taught != learned:
        raise InputError(
            f"The teacher has {taught} classes, the student {learned}. Distilling logits needs the same classes; "
            "choose a teacher for the student's data set."
        )
    return mean_logits(teacher.logits)


def cross_entropy(
    logits: Float[Tensor, "T B K"], labels: Int[Tensor, " B"], label_smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """mean_t CE(softmax(z(t)), y); label smoothing as PyTorch defines it, spread over all K classes."""
    steps = widened(logits)
    return F.cross_entropy(
        steps.flatten(0, 1), labels.long().expand(len(steps), -1).flatten(), label_smoothing=label_smoothing
    )


def kl_divergence(
    teacher: Float[Tensor, "#T B K"], student: Float[Tensor, "T B K"], temperature: float = 1.0
) -> Float[Tensor, ""]:
    """mean_t KL(p || q(t)) = mean_t sum_k p_k log(p_k / q_k(t)).

    p and q are the softmax of the teacher's and the student's logits at `temperature`.
    """
    log_p = _log_softmax(teacher, temperature)
    log_q = _log_softmax(student, temperature)
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean()


def soft_cross_entropy(
    teacher: Float[Tensor, "#T B K"], student: Float[Tensor, "T B K"], temperature: float = 1.0
) -> Float[Tensor, ""]:
    """mean_t -sum_k p_k log q_k(t): `kl_divergence` plus the teacher's entropy, so with the same gradient."""
    p = _log_softmax(teacher, temperature).exp()
    return -(p * _log_softmax(student, temperature)).sum(dim=-1).mean()


def entropy(logits: Float[Tensor, "T B K"], temperature: float = 1.0) -> Float[Tensor, ""]:
    """mean_t H(q(t)) = mean_t -sum_k q_k(t) log q_k(t), between 0 and log K."""
    log_q = _log_softmax(logits, temperature)
    return -(log_q.exp() * log_q).sum(dim=-1).mean()


def _log_softmax(logits: Tensor, temperature: float) -> Tensor:
    return F.log_softmax(widened(logits) / temperature, dim=-1)
