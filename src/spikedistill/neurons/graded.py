"""The neuron of "Distilling Spikes: Knowledge Distillation in Spiking Neural Networks" (Kushawaha et al., ICPR 2020).

Eq. (2)-(5). Its spikes are graded: the height above the threshold is passed on, so the ReLU's own gradient is used and
no surrogate is needed. The paper leaves the decay open; its other constants equal those of public code (see
`decay`), whose value is the default here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from spikedistill.neurons.neuron import StepNeuron
from spikedistill.values.checks import check_above, check_at_least, check_share


@dataclass(frozen=True)
class GradedReLU(StepNeuron):
    """Decaying excitation x' = i + decay * x; output y = relu(x' - threshold); penalty x = x' - [y > 0] * p * x'.

    With p = penalty / threshold. The gate [y > 0] passes no gradient; the penalised excitation does.
    """

    decay: float = 0.9
    """lambda of Eq. (2), not given in the paper; 0.9 in the public network whose other constants match."""
    threshold: float = 1.0
    """tau of Eq. (3)."""
    penalty: float = 1.5
    """tau_p of Eq. (5); above the threshold, a spike turns the excitation negative: the refractory period."""

    def __post_init__(self) -> None:
        check_share(self, "decay")
        check_above(self, "threshold")
        check_at_least(self, "penalty")

    def inner(self) -> "InnerExcitation":
        """See `Neuron.inner`."""
        return InnerExcitation(self)

    def step(self, v: Tensor, x: Tensor, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Eq. (2)-(5); v is the inner excitation."""
        v = x + self.decay * v
        y = torch.relu(v - self.threshold)
        return y, torch.where(y > 0, v - self.penalty / self.threshold * v, v)


@dataclass(frozen=True)
class InnerExcitation(StepNeuron):
    """A `GradedReLU` whose inner excitation is read instead of its spikes: x of Eq. (5), after the penalty.

    For a last layer: the paper reads the output's spikes, the public network of the same constants this (and the one of
    the step before, a delay that a network without recurrence does not need).
    """

    neuron: GradedReLU = GradedReLU()
    """The neuron, which spikes and is penalised as ever."""

    def step(self, v: Tensor, x: Tensor, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The penalised excitation, twice."""
        _, v = self.neuron.step(v, x, learned)
        return v, v
