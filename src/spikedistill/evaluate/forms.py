"""What a layer's numbers are, as far as an accumulator cares: whole numbers of spikes, heights, or anything else.

A spike is 1. The mean of a window of n numbers, each a whole number of spikes, is a multiple of 1 / n; a sum of two
such (SEW-ResNet) is 0, 1, 2 or more. All these are whole numbers of spikes once the factor is in the weights that read
them, where a mean over fixed windows belongs. That factor is the `unit`.

A form is what the list of layers lets one expect. Numbers that are no multiples of their unit are counted as heights,
whatever was expected (`activity.Passed.odd`).
"""

import math
from collections.abc import Sequence
from typing import Literal

from torch import nn

from spikedistill.models.layers import AvgPool2d, GlobalMean, MaxPool2d
from spikedistill.models.trace import Layer
from spikedistill.neurons import Activation

Form = float | Literal["heights", "dense"]
"""The unit of whole numbers of spikes; `heights`, other numbers that are mostly 0; or `dense`."""

CONNECTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""Layers of synapses."""
MEANS = (AvgPool2d, GlobalMean, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
POOLS = (*MEANS, MaxPool2d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)


def forms(layers: Sequence[Layer], given: Form = "dense") -> list[tuple[Form, Form]]:
    """Return what each layer of a traced list reads, and what it gives.

    Args:
        layers: See `spikedistill.models.trace.trace`.
        given: What the network's input is.
    """
    known: list[tuple[Form, Form]] = []
    for layer in layers:
        sources = [given if source is None else known[source][1] for source in layer.sources]
        reads = together(sources)
        if len(sources) == 1 and layer.sources[0] is not None and layer.inputs:
            reads = shrunk(reads, layers[layer.sources[0]].output, layer.inputs[0])
        known.append((reads, _given(layer, reads)))
    return known


def together(sources: Sequence[Form]) -> Form:
    """Return what a sum, or another combination without factors, of such numbers is."""
    if not sources or "dense" in sources:
        return "dense"
    units = sorted(unit for unit in sources if not isinstance(unit, str))
    if len(units) < len(sources) or any(abs(unit / units[0] - round(unit / units[0])) > 1e-9 for unit in units):
        return "heights"
    return units[0]


def shrunk(form: Form, before: tuple[int, ...], after: tuple[int, ...]) -> Form:
    """Return what is left of numbers in fewer places: their means over windows, if all places are in one."""
    if isinstance(form, str) or not before or not after or 0 in before or 0 in after:
        return form
    ratio = math.prod(before) / math.prod(after)
    return form / ratio if ratio > 1 and ratio.is_integer() else form


def _given(layer: Layer, reads: Form) -> Form:
    module = layer.module
    if isinstance(module, Activation):
        return 1.0 if module.neuron.binary else "heights" if module.neuron.spiking else "dense"
    if isinstance(module, MEANS):
        return _mean(layer, reads)
    if isinstance(module, POOLS):
        return reads
    if layer.gives == "dense":
        return reads if layer.sources and layer.kind in ("Flatten", "Reshape", "Dropout", "Add") else "dense"
    if layer.gives == "spikes" or isinstance(reads, str) or not layer.inputs:
        return 1.0 if layer.gives == "spikes" else "heights"
    return shrunk(reads, layer.inputs[0], layer.output)


def _mean(layer: Layer, reads: Form) -> Form:
    """Return what means over windows are; a window may reach over the border, and then counts as whole."""
    module = layer.module
    if isinstance(reads, str):
        return reads
    if isinstance(module, AvgPool2d):
        return reads / module.size**2
    if isinstance(module, nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d) and not getattr(module, "divisor_override", None):
        dimensions = 1 if isinstance(module, nn.AvgPool1d) else 2 if isinstance(module, nn.AvgPool2d) else 3
        size = module.kernel_size
        return reads / (size**dimensions if isinstance(size, int) else math.prod(size))
    return shrunk(reads, layer.inputs[0], layer.output)
