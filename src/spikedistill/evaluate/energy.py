"""Energy of counted operations, and firing rates.

4.6 pJ a multiply-accumulate and 0.9 pJ an accumulate are the 32-bit floating-point numbers of a 45 nm process that the
papers use (Horowitz, "Computing's energy problem", ISSCC 2014, figure 1.1.9: multiplication 3.7 pJ, addition 0.9 pJ).
They are arithmetic alone: no memory is read or written in them, which on most hardware costs more (Dampfhoffer et al.,
IEEE TETCI 2022; Yan et al., arXiv 2409.08290). Energies by different conventions or processes do not compare.
"""

import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from spikedistill.evaluate.activity import Activity
from spikedistill.evaluate.forms import CONNECTIONS
from spikedistill.evaluate.operations import CONVENTIONS, Operations
from spikedistill.models.trace import Layer
from spikedistill.neurons import Activation
from spikedistill.neurons.graded import InnerExcitation


@dataclass(frozen=True)
class Technology:
    """Energy of an operation, in picojoules."""

    name: str
    mac: float
    """A multiply-accumulate: a product and a sum."""
    ac: float
    """An accumulate: a sum."""

    def millijoules(self, acs: float, macs: float) -> float:
        """Energy of so many operations."""
        return (self.mac * macs + self.ac * acs) * 1e-9


TECHNOLOGIES = {
    one.name: one
    for one in (
        Technology("45nm-fp32", 4.6, 0.9),
        Technology("45nm-fp16", 1.5, 0.4),
        Technology("45nm-int32", 3.2, 0.1),
        Technology("45nm-int8", 0.23, 0.03),
    )
}
"""By name; the first is the papers'. All from Horowitz's figure 1.1.9."""


@dataclass(frozen=True)
class Rate:
    """How many of a layer's neurons fire."""

    path: str
    neurons: float
    rate: float
    """Mean over neurons, images and steps."""
    by_step: tuple[float, ...]


def rates(seen: Activity) -> list[Rate]:
    """Return the firing rates of all layers of spiking neurons, in order.

    What is not 0 has fired, whatever its height. Neurons that are not known here are those that make spikes (0 or 1) of
    what is none; one that is called in each step has a rate for each call.
    """
    found = []
    for one in seen.layers:
        if one.output.size and spiking(one.layer):
            steps = len(one.output.nonzero)
            each = one.output.size / steps
            by_step = tuple(count / each for count in one.output.nonzero)
            found.append(Rate(one.layer.path, each, math.fsum(by_step) / steps, by_step))
    return found


def spiking(layer: Layer) -> bool:
    """Whether a layer is spiking neurons, whose outputs are spikes or graded ones."""
    module = layer.module
    if isinstance(module, Activation):
        return module.neuron.spiking and not isinstance(module.neuron, InnerExcitation)
    return layer.gives == "spikes" and layer.reads == "dense" and not isinstance(module, CONNECTIONS)


def mean_rate(of_layers: list[Rate]) -> float | None:
    """Return the mean over all neurons, images and steps; None where there are none."""
    neurons = math.fsum(one.neurons * len(one.by_step) for one in of_layers)
    return math.fsum(one.rate * one.neurons * len(one.by_step) for one in of_layers) / neurons if neurons else None


def report(seen: Activity, network: nn.Module) -> dict[str, Any]:
    """Return all that is counted, as plain data: operations and energies for an image, firing rates from 0 to 1."""
    of_layers = rates(seen)
    return {
        "steps": seen.steps,
        "images": seen.images,
        "firing_rate": mean_rate(of_layers),
        "spikes": math.fsum(share * one.neurons for one in of_layers for share in one.by_step),
        "firing_rates": [
            {"layer": one.path, "neurons": one.neurons, "rate": one.rate, "by_step": list(one.by_step)}
            for one in of_layers
        ],
        "conventions": {name: _counted(count(seen, network)) for name, count in CONVENTIONS.items()},
    }


def _counted(operations: Operations) -> dict[str, Any]:
    acs, macs = operations.acs, operations.macs
    return {
        "acs": acs,
        "macs": macs,
        "synops": acs + macs,
        "dense": operations.dense,
        "energy_mj": {name: one.millijoules(acs, macs) for name, one in TECHNOLOGIES.items()},
        **operations.more,
        "layers": [
            {"layer": one.path, "kind": one.kind, "acs": list(one.acs), "macs": list(one.macs), "dense": one.dense}
            for one in operations.layers
        ],
    }
