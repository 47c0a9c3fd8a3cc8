"""Accumulates and multiply-accumulates for an image, by three conventions. None is wrong: they count different things.

`exact` counts what an accelerator that works spike by spike has to do. `syops` follows syops-counter 0.0.5 (Chen et
al., arXiv 2301.11929), as TSER's table 4 does. `neurobench` follows NeuroBench 2.3.0 (Yik et al., Nature Communications
2025). docs/energy.md compares them.

All are functions of an `Activity`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from spikedistill.evaluate.activity import Activity, Passed, Seen
from spikedistill.evaluate.forms import CONNECTIONS, MEANS, POOLS, Form
from spikedistill.models.layers import Add
from spikedistill.neurons import Activation, Norm

NORMS = (Norm, nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm)
RELUS = (nn.ReLU, nn.PReLU, nn.ELU, nn.LeakyReLU, nn.ReLU6, nn.GELU)


@dataclass(frozen=True)
class Cost:
    """What a layer costs for an image."""

    path: str
    kind: str
    acs: tuple[float, ...]
    """Accumulates by step; one number where steps are not told apart."""
    macs: tuple[float, ...]
    """Multiply-accumulates likewise."""
    dense: float
    """Operations if nothing were 0, of one kind or the other."""


@dataclass(frozen=True)
class Operations:
    """What a network costs for an image, by one convention."""

    convention: str
    layers: tuple[Cost, ...]
    more: dict[str, Any] = field(default_factory=dict)
    """What else the convention names."""

    @property
    def acs(self) -> float:
        """Accumulates."""
        return math.fsum(value for layer in self.layers for value in layer.acs)

    @property
    def macs(self) -> float:
        """Multiply-accumulates."""
        return math.fsum(value for layer in self.layers for value in layer.macs)

    def up_to(self, steps: int) -> tuple[float, float]:
        """Accumulates and multiply-accumulates of the first steps; what is counted in one number is in the first.

        Of `exact` that is what a run of so many steps costs: one number stands for what is read once.
        """
        acs = math.fsum(value for layer in self.layers for value in layer.acs[:steps])
        macs = math.fsum(value for layer in self.layers for value in layer.macs[:steps])
        return acs, macs

    @property
    def dense(self) -> float:
        """Operations if nothing were 0."""
        return math.fsum(layer.dense for layer in self.layers)


# ---- exact


def exact(seen: Activity) -> Operations:
    """Count what is added and what is multiplied, spike by spike.

    - A synapse layer that reads whole numbers of spikes: the sum of |spikes| times their true fan-out, in ACs. Spikes
      of 2 or more (sums of SEW-ResNet) are as many ACs, and means over windows are folded into the weights that read
      them, so a spike before the window is one AC for each synapse behind it.
    - One that reads heights (graded spikes): a MAC for each number that is not 0 and each of its synapses.
    - One that reads anything else: a MAC for each number and each of its synapses, zeros too. A still image is read
      once, and not in each step. `more["macs_without_zeros"]` leaves zeros out there, as hardware could that looks.
    - A sum before neurons or of two currents: an AC for each spike that is added (a shortcut's), or for each number.
      Sums of spikes that synapses read cost nothing more. Means of numbers that are no spikes: an AC each.
    - Norms are folded into weights, or into the neurons' thresholds: nothing. Neither are biases, maxima, nor what
      neurons do inside counted; `more["neuron_updates"]` says how often a neuron is updated.
    """
    layers, without_zeros, updates = [], 0.0, 0.0
    for one in seen.layers:
        acs: tuple[float, ...] = (0.0,)
        macs: tuple[float, ...] = (0.0,)
        dense = 0.0
        if one.synapses is not None:
            form = _held_to(one.reads, one.inputs[0])
            dense = math.fsum(one.synapses.dense)
            if not isinstance(form, str):
                acs = one.synapses.spikes
            else:
                macs = one.synapses.dense if form == "dense" else one.synapses.active
                without_zeros += math.fsum(one.synapses.active)
        elif isinstance(one.layer.module, MEANS):
            acs = _each(one.reads, one.inputs[0], free=True)
        added = _added(one, seen.layers)
        if added:
            acs = tuple(map(math.fsum, _columns([acs, *added])))
        if isinstance(one.layer.module, Activation) and one.layer.module.neuron.spiking:
            updates += one.output.size
        if any(acs) or any(macs):
            layers.append(Cost(one.layer.path, one.layer.kind, acs, macs, dense))
    return Operations("exact", tuple(layers), {"macs_without_zeros": without_zeros, "neuron_updates": updates})


def _held_to(form: Form, passed: Passed) -> Form:
    """Return the form that numbers have: those that are no multiples of their unit are heights."""
    return "heights" if not isinstance(form, str) and passed.odd else form


def _each(form: Form, passed: Passed, free: bool = False) -> tuple[float, ...]:
    """Return an operation for each number by step, or each spike; these cost nothing where they are `free`."""
    form = _held_to(form, passed)
    if not isinstance(form, str):
        return (0.0,) if free else passed.heights
    if form == "heights":
        return passed.nonzero
    return (passed.size / max(len(passed.nonzero), 1),) * max(len(passed.nonzero), 1)


def _added(one: Seen, layers: Sequence[Seen]) -> list[tuple[float, ...]]:
    """Return the ACs by step of a sum whose parts come together at this layer, or of spikes that neurons read."""
    given = one.inputs[0] if one.inputs else Passed()
    steps = max(len(each.nonzero) for each in (given, one.output))
    sources = [layers[place] for place in one.layer.sources if place is not None]
    joined = isinstance(one.layer.module, Add) or (
        len(one.layer.sources) > 1 and all(_same_size(source, given) for source in sources)
    )
    neurons = isinstance(one.layer.module, Activation)
    if not joined and not neurons:
        return []
    held_to = [_held_to(source.gives, source.output) for source in sources]
    spikes = [s.output.heights for s, form in zip(sources, held_to, strict=True) if not isinstance(form, str)]
    heights = [s.output.nonzero for s, form in zip(sources, held_to, strict=True) if form == "heights"]
    dense = len(one.layer.sources) - len(spikes) - len(heights)  # the network's input among them, which has no layer
    sparse = spikes + heights
    if not neurons and not dense:  # numbers of spikes stay what they are; of heights one is there already
        sparse = heights[1:] + spikes if heights else []
    each = given.size if neurons else one.output.size
    parts = [_over(by_step, steps) for by_step in sparse]
    return parts + [(each / steps,) * steps] * (dense - 1 if joined else 0)


def _same_size(source: Seen, given: Passed) -> bool:
    """Whether a layer's output could be a part of a sum of that size; one that is held has fewer steps."""
    return source.output.size > 0 and given.size / source.output.size in (1.0, float(source.held))


def _over(by_step: tuple[float, ...], steps: int) -> tuple[float, ...]:
    """Return what is held in as many steps."""
    return by_step * steps if len(by_step) == 1 else by_step


def _columns(rows: Sequence[tuple[float, ...]]) -> list[list[float]]:
    """Return the values of each step, of rows of different lengths: the shorter ones begin with the first step."""
    return [[row[t] for row in rows if t < len(row)] for t in range(max(map(len, rows)))]


# ---- syops-counter


def syops(seen: Activity) -> Operations:
    """Count by the rules of syops-counter 0.0.5, in which every layer runs in each of T steps.

    - What has at most two values in a batch, both from 0 to 1, is spikes: their mean times all operations are ACs. All
      else, so sums and means of spikes, is dense, and all operations are MACs.
    - Synapses: all products, those with zeros around the image too, and the biases (of a linear layer once an image).
      Norms: two for each number. Pools: one for each number they read. Neurons: one AC for each output. ReLU: one for
      each output. Sums: nothing.

    `dense` is what it calls OPs. The batch decides what is spikes: take as many images as you would give syops-counter.
    """
    layers = []
    for one in seen.layers:
        module, source = one.layer.module, one.inputs[0] if one.inputs else Passed()
        operations = 0.0
        if isinstance(module, nn.Linear):
            operations = source.size * module.out_features * one.held
            operations += 0 if module.bias is None else module.out_features
        elif isinstance(module, CONNECTIONS):
            bias = 0 if module.bias is None else 1
            operations = one.output.size * (module.weight[0].numel() + bias) * one.held
        elif isinstance(module, NORMS):
            affine = getattr(module, "affine", True)
            operations = source.size * (2 if affine else 1) * one.held
        elif isinstance(module, POOLS):
            operations = source.size * one.held
        elif isinstance(module, RELUS) or (isinstance(module, Activation) and not module.neuron.spiking):
            operations, source = one.output.size * one.held, one.output
        elif isinstance(module, Activation) or _fires(one):
            operations, source = one.output.size, Passed(size=1, binary_size=1, binary_sum=1)
        if operations and source.size:
            acs = operations * source.binary_sum / source.size
            macs = operations * (1 - source.binary_size / source.size)
            layers.append(Cost(one.layer.path, one.layer.kind, (acs,), (macs,), operations))
    return Operations("syops", tuple(layers))


def _fires(one: Seen) -> bool:
    """Whether a module that is not known here is neurons: it makes spikes of what is none."""
    return one.layer.gives == "spikes" and one.layer.reads == "dense" and one.synapses is None


# ---- NeuroBench


def neurobench(seen: Activity, network: nn.Module) -> Operations:
    """Count by the rules of NeuroBench 2.3.0, and name them as it does (in `more`).

    Numbers that are not 0 times weights that are not 0, without biases: ACs where a batch holds nothing but -1, 0 and
    1, else MACs. Every layer runs in each of T steps. Nothing but synapses is counted.
    """
    layers = []
    for one in seen.layers:
        if one.synapses is not None:
            counts = one.synapses
            acs, macs, dense = (one.held * value for value in (counts.signs, counts.values, math.fsum(counts.dense)))
            layers.append(Cost(one.layer.path, one.layer.kind, (acs,), (macs,), dense))
    fired = [one for one in seen.layers if isinstance(one.layer.module, (Activation, *RELUS)) or _fires(one)]
    outputs = math.fsum(one.output.size for one in fired)
    active = math.fsum(value for one in fired for value in one.output.nonzero)
    weights = [one.weight for one in network.modules() if isinstance(one, CONNECTIONS)]
    zeros, every = sum(int((weight == 0).sum()) for weight in weights), sum(weight.numel() for weight in weights)
    counted = Operations("neurobench", tuple(layers))
    state = [*network.parameters(), *network.buffers()]
    more = {
        "parameter_count": sum(parameter.numel() for parameter in network.parameters()),
        "footprint": sum(value.numel() * value.element_size() for value in state),
        "connection_sparsity": round(zeros / every, 4) if every else 0.0,
        "activation_sparsity": 1 - active / outputs if outputs else 0.0,
        "synaptic_operations": {
            "Effective_MACs": counted.macs,
            "Effective_ACs": counted.acs,
            "Dense": counted.dense,
        },
    }
    return Operations("neurobench", counted.layers, more)


CONVENTIONS: dict[str, Callable[[Activity, nn.Module], Operations]] = {
    "exact": lambda seen, _network: exact(seen),
    "syops": lambda seen, _network: syops(seen),
    "neurobench": neurobench,
}
"""By name; the first is the default."""
