"""Integrate-and-fire neurons: IF, LIF and PLIF, with hard or soft reset.

Each step charges the membrane, h = charge(v, x); fires where h reaches the threshold, s = [h >= threshold]; and
resets: hard, v = s * reset + (1 - s) * h, or soft (reset None), v = h - s * threshold. The equations, the order of
operations and the defaults are SpikingJelly's (Fang et al., Science Advances 2023), so that spikes agree bit for bit.
So does what becomes of a charge that overflows: (1 - s) * inf is not a number, and after that hard reset the neuron is
silent. The kernels do the same; which gradients are then not numbers is left open.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from spikedistill.neurons.neuron import Neuron, StepNeuron
from spikedistill.neurons.rate import average_gradient, averages
from spikedistill.neurons.surrogate import Sigmoid, Surrogate, fire
from spikedistill.values.checks import check_above, check_below, check_finite


@dataclass(frozen=True)
class IF(StepNeuron):
    """Integrate and fire: h = v + x."""

    binary = True
    rates = True

    threshold: float = 1.0
    """Potential at which the neuron fires; above the potential at rest."""
    reset: float | None = 0.0
    """Potential after a spike (hard reset), also the potential at rest; None subtracts the threshold (soft reset)."""
    detach_reset: bool = False
    """Keep the reset out of the backward pass."""
    surrogate: Surrogate = Sigmoid()
    """Derivative of the spike with respect to h - threshold."""
    v_init: float | None = field(default=None, kw_only=True)
    """Potential before the first step, below the threshold; None for the potential at rest."""

    def __post_init__(self) -> None:
        if self.reset is not None:
            check_finite(self, "reset")
        check_above(self, "threshold", bound=self.rest(), what="the potential at rest, ")
        if self.v_init is not None:
            check_below(self, "v_init", bound=self.threshold, what="the threshold, ")

    def rest(self) -> float:
        """The reset potential; 0 for soft reset."""
        return 0.0 if self.reset is None else self.reset

    def start(self) -> float:
        """`v_init`, or the potential at rest."""
        return self.rest() if self.v_init is None else self.v_init

    def charge(self, v: Tensor, x: Tensor, learned: Mapping[str, Tensor]) -> Tensor:  # noqa: ARG002
        """Potential before firing."""
        return v + x

    def forward(self, current: Tensor, learned: Mapping[str, Tensor]) -> Tensor:
        """Spikes [T, B, ...] in the dtype of `current` [T, B, ...]; the potential is kept in 32 bits or more."""
        if not averages(self):
            return super().forward(current, learned)
        return average_gradient(super().forward(average_gradient(current), learned))

    def step(self, v: Tensor, x: Tensor, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Charge, fire, reset."""
        h = self.charge(v, x, learned)
        spike = fire(h - self.threshold, self.surrogate)
        s = spike.detach() if self.detach_reset else spike
        if self.reset is None:
            return spike, h - s * self.threshold
        return spike, s * self.reset + (1.0 - s) * h


@dataclass(frozen=True)
class LIF(IF):
    """Leaky integrate and fire, with the leak towards the potential at rest r.

    `decay_input` on: h = v + (x - (v - r)) / tau; off: h = v - (v - r) / tau + x.
    """

    tau: float = 2.0
    """Membrane time constant in steps, above 1."""
    decay_input: bool = True
    """Divide the input by tau too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above(self, "tau", bound=1.0)

    def charge(self, v: Tensor, x: Tensor, learned: Mapping[str, Tensor]) -> Tensor:  # noqa: ARG002
        """Potential before firing."""
        leak = v if self.rest() == 0.0 else v - self.rest()
        if self.decay_input:
            return v + (x - leak) / self.tau
        return v - leak / self.tau + x


@dataclass(frozen=True)
class PLIF(IF):
    """LIF whose time constant is learned, one per layer: 1 / tau = sigmoid(w) (Fang et al., ICCV 2021).

    It has no backward pass on rates: the gradient of tau needs every step.
    """

    rates = False

    init_tau: float = 2.0
    """Time constant before training, in steps, above 1."""
    decay_input: bool = True
    """Scale the input by 1 / tau too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above(self, "init_tau", bound=1.0)

    def learned(self) -> dict[str, float]:
        """Give w = -log(tau - 1)."""
        return {"w": -math.log(self.init_tau - 1.0)}

    def charge(self, v: Tensor, x: Tensor, learned: Mapping[str, Tensor]) -> Tensor:
        """Potential before firing."""
        q = torch.sigmoid(learned["w"])
        leak = v - self.rest()
        if self.decay_input:
            return v + (x - leak) * q
        return v - leak * q + x


@dataclass(frozen=True)
class ReLU(Neuron):
    """max(0, x): the activation of ordinary networks, which have one time step."""

    spiking = False

    def forward(self, current: Tensor, learned: Mapping[str, Tensor]) -> Tensor:  # noqa: ARG002
        """Elementwise, of any shape."""
        return torch.relu(current)
