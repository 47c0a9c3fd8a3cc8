"""How far two networks say the same: what distillation is after, where accuracy is what it is for."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from spikedistill.evaluate.accuracy import mean_logits


@dataclass(frozen=True)
class Agreement:
    """Of a student with its teacher, over the same images."""

    agreement: float
    """Share of images that both put into the same class, whether it is the right one or not."""
    kl: float
    """KL(teacher || student) of their probabilities in nats, mean over images."""


def agreement(student: Float[Tensor, "T N K"], teacher: Float[Tensor, "S N K"]) -> Agreement:
    """Compare logits of the same images; probabilities are the softmax of the logits' mean over time, at temperature 1.

    Stanton et al., "Does Knowledge Distillation Really Work?", NeurIPS 2021, Eq. (4)-(5), call them top-1 agreement and
    predictive KL. Computed in float64.
    """
    mine, theirs = mean_logits(student), mean_logits(teacher)
    log_mine, log_theirs = mine.log_softmax(-1), theirs.log_softmax(-1)
    kl = (log_theirs.exp() * (log_theirs - log_mine)).sum(-1)
    return Agreement(float((mine.argmax(-1) == theirs.argmax(-1)).double().mean()), max(0.0, float(kl.mean())))
