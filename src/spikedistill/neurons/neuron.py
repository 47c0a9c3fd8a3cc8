"""What every activation is: a value that says what to do, and a module that holds what it learns.

An activation maps a sequence of input currents [T, ...] to a sequence of outputs of the same shape. Its state starts
anew in every call and is gone when the call returns. State is kept in at least 32 bits whatever the input's dtype.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from spikedistill.errors import InputError


@dataclass(frozen=True)
class Neuron:
    """Base of all activations: spiking neurons, and ReLU for ordinary networks."""

    abstract: ClassVar[bool] = True

    spiking: ClassVar[bool] = True
    """False for an activation without time, whose network has T = 1."""
    binary: ClassVar[bool] = False
    """True where every output is 0 or 1, so that layers may keep it as bits."""
    rates: ClassVar[bool] = False
    """True where there is a backward pass on rates (`spikedistill.neurons.rate`)."""

    def learned(self) -> dict[str, float]:
        """Names and initial values of the scalars that each layer of this neuron learns."""
        return {}

    def forward(self, current: Tensor, learned: Mapping[str, Tensor]) -> Tensor:
        """Outputs [T, ...] for currents [T, ...]; the state starts anew."""
        raise NotImplementedError

    def inner(self) -> "Neuron":
        """The neuron that gives this one's inner state instead of its spikes, for the last layer of a network.

        Raises:
            InputError: this one has none to read.
        """
        raise InputError(
            f"{type(self).__name__} has no inner state to read out. Take GradedReLU, or another readout: 'linear' or "
            "'neuron'."
        )

    def build(self) -> "Activation":
        """A module for one layer of these neurons."""
        return Activation(self)


@dataclass(frozen=True)
class StepNeuron(Neuron):
    """A neuron that is defined by what happens in one time step."""

    abstract: ClassVar[bool] = True

    def rest(self) -> float:
        """Membrane potential to which the neuron returns without input."""
        return 0.0

    def start(self) -> float:
        """Membrane potential before the first step."""
        return self.rest()

    def step(self, v: Tensor, x: Tensor, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Output and next potential, of the shape of v and x: the potential after the last step and the current."""
        raise NotImplementedError

    def forward(self, current: Tensor, learned: Mapping[str, Tensor]) -> Tensor:
        """Outputs [T, B, ...] in the dtype of `current` [T, B, ...]; the potential is kept in 32 bits or more."""
        x = current.to(torch.promote_types(current.dtype, torch.float32))
        v = torch.full_like(x[0], self.start())
        outputs = []
        for x_t in x:
            y, v = self.step(v, x_t, learned)
            outputs.append(y)
        return torch.stack(outputs).to(current.dtype)


class Activation(nn.Module):
    """One layer of neurons: the neuron's value, and the scalars it learns (none for most)."""

    def __init__(self, neuron: Neuron) -> None:
        super().__init__()
        self.neuron = neuron
        for name, value in neuron.learned().items():
            self.register_parameter(name, nn.Parameter(torch.tensor(value)))

    def forward(self, current: Tensor, steps: int | None = None) -> Tensor:
        """Outputs [T, ...] for currents [T, ...]; a current [1, ...] is held for `steps` steps if they are given.

        An activation without time answers T equal currents with one output.
        """
        return self.neuron.forward(
            spread(current, steps if self.neuron.spiking else None), dict(self.named_parameters())
        )

    def extra_repr(self) -> str:
        """The neuron's fields."""
        return repr(self.neuron)


def spread(x: Tensor, steps: int | None) -> Tensor:
    """Return x [T, ...], or [1, ...] repeated over `steps` without copying.

    Raises:
        ValueError: x has neither one step nor `steps`, or `steps` is below 1.
    """
    if steps is None:
        return x
    if steps < 1:
        raise ValueError(f"Asked were {steps} time steps. Allowed: 1 or more.")
    if x.shape[0] == steps:
        return x
    if x.shape[0] != 1:
        raise ValueError(f"The input has {x.shape[0]} time steps; asked were {steps}. Allowed: 1 or {steps}.")
    return x.expand(steps, *x.shape[1:])
