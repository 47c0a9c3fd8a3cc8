"""Fully connected networks with a batch norm after each synapse, as in Distilling Spikes (Kushawaha et al., 2020)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.models.layers import Flatten, Linear, NormAct
from spikedistill.models.model import Model, Network, Shape
from spikedistill.neurons import BatchNorm, Neuron, Normalisation
from spikedistill.values.checks import check_counts


class MLPNetwork(Network):
    """Synapses (without bias, Xavier's uniform initialisation), each but a linear readout followed by norm and neuron.

    The linear readout has a bias, zero at the start.
    """

    def __init__(self, widths: Sequence[int], neuron: Neuron, norm: Normalisation, readout: str) -> None:
        super().__init__()
        layers = len(widths) - 1
        normed = layers - 1 if readout == "linear" else layers
        neurons = [neuron] * (layers - 1) + [neuron.inner() if readout == "inner" else neuron]
        self.flatten = Flatten()
        self.synapses = nn.ModuleList(
            # A bias before a norm would be lost in it.
            Linear(widths[k], widths[k + 1], bias=k >= normed, reads=neuron if k else None)
            for k in range(layers)
        )
        self.acts = nn.ModuleList(NormAct(widths[k + 1], neurons[k], norm) for k in range(normed))
        self.stages = tuple(f"acts.{k}" for k in range(normed))
        for synapse in self.synapses:
            assert isinstance(synapse, Linear)
            nn.init.xavier_uniform_(synapse.weight)
            if synapse.bias is not None:
                nn.init.zeros_(synapse.bias)

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`."""
        x: Tensor = self.flatten(frames)
        for k, synapse in enumerate(self.synapses):
            x = synapse(x)
            if k < len(self.acts):
                x = self.acts[k](x, steps=steps if k == 0 else None)
        return x


@dataclass(frozen=True)
class MLP(Model):
    """Fully connected network of any depth and width."""

    name = "mlp"

    hidden: tuple[int, ...] = (100,)
    """Widths of the hidden layers."""
    readout: Literal["linear", "neuron", "inner"] = "linear"
    """Logits are the last synapse's current, or what norm and neuron make of it: spikes (Distilling Spikes), or the
    neuron's inner state."""

    def __post_init__(self) -> None:
        check_counts(self, "hidden", most=100, high=2**20)

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`. Raises InputError where no neuron would be left to spike."""
        if neuron.spiking and not self.hidden and self.readout == "linear":
            raise InputError("An mlp without hidden layers has no neurons. Give it some, or the readout 'neuron'.")
        return MLPNetwork((math.prod(shape), *self.hidden, classes), neuron, norm, self.readout)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """The public student that Distilling Spikes' constants point to: 784-100-10."""
        return [(cls((100,)), (1, 28, 28))]
