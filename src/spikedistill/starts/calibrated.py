"""Scales of a converted ANN that fit its neurons: each layer's greatest activations become a rate of one spike a step.

An ANN's activations have any scale, and a neuron's rate ends at 1. With lambda the percentile of a layer's activations
(of the network with ReLU in the place of its neurons, as its weights stand), what enters its neurons is divided by
lambda and multiplied by the way from rest to the threshold, and the synapses that read it multiply by lambda again:

    norm.weight, norm.bias  *=  (threshold - rest) / lambda          synapse.weight  *=  lambda of what it reads

Where there is no norm, the synapse before the neurons takes its part. So lambda is the layer's threshold in the ANN's
units, while all neurons keep the recipe's. The ANN's function stays what it was (ReLU is homogeneous), and the rates of
IF neurons with soft reset approach it with T; but not behind a maximum over spikes, whose rate is above the greatest
rate. Data-based normalisation: Diehl et al., IJCNN 2015, with the greatest activation; the percentile 99.9 is that of
Rueckauer et al. (Frontiers in Neuroscience 2017). A potential of half the threshold before the first step (`v_init` of
the neuron) rounds where 0 cuts off (Bu et al., AAAI 2022).

Where spikes are added (a shortcut that is an identity) both layers have one lambda, the greater; such a sum of currents
and spikes is right for a threshold of one above rest. The rates of LIF neurons are below IF's: it is a start for
training there, no conversion.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.models.layers import NormAct
from spikedistill.models.model import as_ann
from spikedistill.models.taps import attach
from spikedistill.models.trace import INPUT, Layer, trace
from spikedistill.neurons import IF, Activation, Norm
from spikedistill.recipe import Start
from spikedistill.starts.before import Before
from spikedistill.values.checks import check_above, check_count

SYNAPSES = (nn.Conv2d, nn.Linear)
NORMS = (Norm, nn.modules.batchnorm._BatchNorm)


@dataclass(frozen=True)
class Calibrated(Start):
    """Scale each layer so that a percentile of its activations as an ANN is the threshold; stands after `Weights`."""

    percentile: float = 99.9
    """Of a layer's activations, those that are 0 with them, in (0, 100]."""
    images: int = 256
    """Training images, augmented, on which activations are looked at; the mean of the batches' percentiles counts."""

    def __post_init__(self) -> None:
        check_above(self, "percentile", most=100.0)
        check_count(self, "images", high=10**9)

    def load(self, context: object) -> "Calibrated":  # noqa: ARG002
        """See `Part.load`: it needs nothing of others."""
        return self

    @torch.no_grad()
    def __call__(self, student: nn.Module, before: Before) -> None:
        """Scale norms and synapses.

        Raises:
            InputError: the network has other neurons than IF, LIF or PLIF, or a layer whose scale cannot be moved.
        """
        images = next(before.images(1))
        few = images[:, :2] if images.dim() == 5 else images[:2]
        layers = trace(student, few, before.recipe.steps)
        scales = _scales(layers, percentiles(student, before, self))
        for module, (inwards, outwards) in scales.items():
            for name, parameter in module.named_parameters(recurse=False):
                parameter.mul_(inwards * outwards if name == "weight" else outwards)


@torch.no_grad()
def percentiles(student: nn.Module, before: Before, kind: Calibrated) -> dict[str, float]:
    """Return a percentile of each layer's activations as an ANN, by the path of its `NormAct`; 1 where all are 0."""
    paths = tuple(path for path, module in student.named_modules() if isinstance(module, NormAct))
    taps = attach(student, tuple(f"{path}.current" for path in paths))
    found: dict[str, list[float]] = {path: [] for path in paths}
    was_training = student.training
    student.eval()
    with as_ann(student):
        for images in before.images(kind.images):
            with taps.recording():
                student(images, 1)
            for name, current in taps.take().items():
                found[name.removesuffix(".current")].append(percentile(current.relu(), kind.percentile))
    student.train(was_training)
    means = {path: sum(values) / len(values) for path, values in found.items()}
    return {path: mean if mean > 0 else 1.0 for path, mean in means.items()}


def percentile(values: Tensor, share: float) -> float:
    """Return the smallest of the values that `share` per cent of them do not exceed."""
    flat = values.flatten().float()
    place = max(1, min(len(flat), round(share / 100 * len(flat))))
    return float(flat.kthvalue(place).values)


def _scales(layers: list[Layer], found: dict[str, float]) -> dict[nn.Module, tuple[float, float]]:
    """Return what norms and synapses are multiplied by: for what they read, and for the neurons that they feed."""
    groups = _Groups(layers, found)
    inwards: dict[int, float] = {}
    outwards: dict[int, float] = {}
    for number, layer in enumerate(layers):
        ends = _ends(layers, layer)
        spikes = [place for place in ends if place is not INPUT and isinstance(layers[place].module, Activation)]
        if isinstance(layer.module, Activation):
            for place in _feeding(layer, ends, spikes):
                factor = _way(layer.module) / groups.scale(number)
                if outwards.setdefault(place, factor) != factor:
                    raise _refused(layers[place], "feeds neurons of different scales")
        elif spikes and len(spikes) < len(ends):
            raise _refused(layer, "reads spikes and something else")
        elif spikes and isinstance(layer.module, NORMS):
            raise _refused(layer, "is a norm that reads spikes")
        elif spikes and isinstance(layer.module, SYNAPSES):
            inwards[number] = groups.scale(spikes[0])
    _check_used_once(layers, inwards, outwards)
    scaled = sorted(inwards.keys() | outwards.keys())
    return {layers[place].module: (inwards.get(place, 1.0), outwards.get(place, 1.0)) for place in scaled}


def _feeding(layer: Layer, ends: list[int | None], spikes: list[int]) -> list[int]:
    """Return the norms and synapses that feed a layer of neurons; spikes may be added to what they give."""
    assert isinstance(layer.module, Activation)
    if spikes and _way(layer.module) != 1.0:
        raise _refused(layer, "adds spikes to currents, which needs a threshold of 1 above rest")
    if INPUT in ends:
        raise _refused(layer, "reads the images themselves")
    return [place for place in ends if place is not INPUT and place not in spikes]


def _way(act: Activation) -> float:
    """Return how far the threshold is above rest."""
    assert isinstance(act.neuron, IF)
    return act.neuron.threshold - act.neuron.rest()


def _check_used_once(layers: list[Layer], inwards: dict[int, float], outwards: dict[int, float]) -> None:
    """Refuse a module that is called twice, and one that feeds neurons and something else."""
    for place in inwards.keys() | outwards.keys():
        if sum(layer.module is layers[place].module for layer in layers) > 1:
            raise _refused(layers[place], "is called more than once")
    for layer in layers:
        shared = [place for place in _ends(layers, layer) if place in outwards]
        if shared and not isinstance(layer.module, Activation) and isinstance(layer.module, (*NORMS, *SYNAPSES)):
            raise _refused(layers[shared[0]], f"feeds neurons, and {layer.path!r} too")


class _Groups:
    """Layers of neurons whose spikes are added, with one scale for each group: the greatest of its layers."""

    def __init__(self, layers: list[Layer], found: dict[str, float]) -> None:
        acts = [place for place, layer in enumerate(layers) if isinstance(layer.module, Activation)]
        for place in acts:
            if layers[place].path.removesuffix(".act") not in found:
                raise _refused(layers[place], "is no part of a norm + neuron")
            if not isinstance(layers[place].module.neuron, IF):
                raise _refused(layers[place], "has neurons without a threshold that is known (IF, LIF, PLIF)")
        self.leader = {place: place for place in acts}
        for place, layer in enumerate(layers):
            together = [end for end in _ends(layers, layer) if end in self.leader]
            together += [place] if place in self.leader else []
            for other in together[1:]:
                self._join(together[0], other)
        self.scales: dict[int, float] = {}
        for place in acts:
            first = self._first(place)
            here = found[layers[place].path.removesuffix(".act")]
            self.scales[first] = max(self.scales.get(first, 0.0), here)

    def scale(self, place: int) -> float:
        """Return lambda of a layer of neurons."""
        return self.scales[self._first(place)]

    def _first(self, place: int) -> int:
        while self.leader[place] != place:
            place = self.leader[place]
        return place

    def _join(self, one: int, other: int) -> None:
        self.leader[self._first(other)] = self._first(one)


def _ends(layers: list[Layer], layer: Layer) -> list[int | None]:
    """Return the neurons, norms and synapses that a layer reads, through pools, sums and the like."""
    found: dict[int | None, None] = {}
    waiting = list(layer.sources)
    while waiting:
        place = waiting.pop(0)
        if place is INPUT or isinstance(layers[place].module, (Activation, *NORMS, *SYNAPSES)):
            found[place] = None
        else:
            waiting.extend(layers[place].sources)
    return list(found)


def _refused(layer: Layer, why: str) -> InputError:
    return InputError(f"The layer {layer.path!r} cannot be calibrated: it {why}. Leave `Calibrated` out of the start.")
