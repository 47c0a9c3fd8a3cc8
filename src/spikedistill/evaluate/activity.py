"""What passes through the layers of a network on real inputs: the counts that every convention of `operations` reads.

    seen = observe(network, batches, steps=4)
    for layer in seen.layers:
        print(layer.layer.path, layer.output.nonzero, layer.synapses)

The network's own pass is looked at by hooks, in eval mode and in the precision of its weights. All counts are means
over images.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.evaluate.forms import CONNECTIONS, Form, forms
from spikedistill.evaluate.products import products_outside
from spikedistill.models import Network
from spikedistill.models.module import ModuleNetwork
from spikedistill.models.trace import Layer, trace, watching


@dataclass(frozen=True)
class Passed:
    """A tensor that passes once for an image, in all of its time steps."""

    size: float = 0.0
    """Numbers in it."""
    nonzero: tuple[float, ...] = ()
    """How many are not 0, by step; of a network without time in front one count for all."""
    heights: tuple[float, ...] = ()
    """Sum of their magnitudes by step, in units of the form: spikes, where the form is one of them."""
    odd: float = 0.0
    """How many are no multiples of the unit."""
    binary_size: float = 0.0
    """Numbers in batches that have at most two values, both from 0 to 1: what syops-counter takes for spikes."""
    binary_sum: float = 0.0
    """The sum of those numbers."""


@dataclass(frozen=True)
class Synapses:
    """What the numbers that a convolution or linear layer reads meet, for an image: each counted with its fan-out.

    A number's fan-out is how many of the outputs read it: fewer at the borders, and none where a stride skips it.
    """

    dense: tuple[float, ...] = ()
    """All numbers, by step."""
    active: tuple[float, ...] = ()
    """Those that are not 0, by step."""
    spikes: tuple[float, ...] = ()
    """Their magnitudes in units of the form, by step."""
    signs: float = 0.0
    """Those that are not 0, over weights that are not 0, in batches of nothing but -1, 0 and 1 (NeuroBench's ACs)."""
    values: float = 0.0
    """The same in all other batches (NeuroBench's MACs)."""


@dataclass(frozen=True)
class Seen:
    """A call of a layer."""

    layer: Layer
    reads: Form
    """What it reads: see `forms`."""
    gives: Form
    """What it gives."""
    held: int
    """T where it answers once for all steps, because the image is still and no neurons came before; else 1."""
    inputs: tuple[Passed, ...]
    output: Passed
    synapses: Synapses | None
    """Of convolutions and linear layers."""


@dataclass(frozen=True)
class Activity:
    """All layers of a network, with what passed through them."""

    layers: tuple[Seen, ...]
    steps: int
    """T of the logits."""
    images: int
    """Over which the counts are means."""
    by_step: bool
    """Whether counts are told apart by step; of networks of the user's they are not."""


@torch.no_grad()
def observe(
    network: nn.Module, batches: Iterable[Tensor], steps: int | None, given: Form = "dense", name: str = "The network"
) -> Activity:
    """Return what passes through a network.

    Args:
        network: One of this library's, or any module: then `steps` is None, and it is called with the images alone.
        batches: What the network takes, [B, C, H, W] or frames [T, B, C, H, W]; at least one.
        steps: T for static images.
        given: What the numbers of the batches are: 1.0 for counts of events.
        name: For messages.

    Raises:
        InputError: there is no batch, or the network does something that is no layer: a product of matrices between
            modules, or inside one that is not known; or it calls other layers for other images.
    """
    was_training = network.training
    network.eval()
    counter: _Counter | None = None
    try:
        for images in batches:
            if counter is None:
                counter = _counter(network, images, steps, given, name)
            counter.begin(images)
            with watching(network, counter):
                logits = _ask(network, images, steps)
            counter.end(logits)
    finally:
        network.train(was_training)
    if counter is None:
        raise InputError("Spikes are counted on images, and there are none.")
    return counter.activity()


def _ask(network: nn.Module, images: Tensor, steps: int | None) -> Any:
    return network(images) if steps is None else network(images, steps)


def _counter(network: nn.Module, images: Tensor, steps: int | None, given: Form, name: str) -> "_Counter":
    """Look at the network on two images: which layers it has, and that there is nothing else."""
    few = images[:, :2] if images.dim() == 5 else images[:2]
    layers = trace(network, few, steps)
    outside = products_outside(network, lambda: _ask(network, few, steps))
    if outside:
        raise InputError(
            f"{name} cannot be counted: it computes {outside} outside of convolutions and linear layers, which no "
            "convention here has a number for. Make it of torch's Conv1d to Conv3d and Linear, called as modules."
        )
    return _Counter(layers, forms(layers, given), isinstance(network, Network), network, name)


class _Counter:
    """Sums over images what passes through each layer of a list, in the order of its calls."""

    def __init__(
        self, layers: Sequence[Layer], known: Sequence[tuple[Form, Form]], timed: bool, network: nn.Module, name: str
    ) -> None:
        self.layers = layers
        self.known = known
        self.timed = timed and not isinstance(network, ModuleNetwork)
        self.name = name
        self.sums: list[list[dict[str, Tensor]]] = [[] for _ in layers]
        self.fans: dict[tuple[int, tuple[int, ...]], tuple[Tensor, Tensor]] = {}
        self.images = self.call = self.steps = 0

    def begin(self, images: Tensor) -> None:
        """Before a pass."""
        self.images += images.shape[1] if images.dim() == 5 else images.shape[0]
        self.call = 0

    def end(self, logits: Any) -> None:
        """After a pass."""
        if self.call != len(self.layers):
            raise self._changed()
        self.steps = len(logits) if isinstance(logits, Tensor) and logits.dim() == 3 else 1

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """Before a layer: look at what it is given, which it may change in place."""
        place = self.call
        if place >= len(self.layers) or self.layers[place].module is not module:
            raise self._changed()
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if not self.sums[place]:
            self.sums[place] = [{} for _ in range(len(tensors) + 1)]
        reads = self.known[place][0]
        for k, tensor in enumerate(tensors):
            _add(self.sums[place][k + 1], self._measured(tensor, reads))
        if isinstance(module, CONNECTIONS):
            _add(self.sums[place][1], self._synapses(module, tensors[0], reads))

    def leave(self, path: str) -> Callable[[nn.Module, Any, Any, Any], Any]:  # noqa: ARG002
        """Return the hook that looks at what a layer returns."""

        def look(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:  # noqa: ARG001
            first = result[0] if isinstance(result, tuple | list) and result else result
            if isinstance(first, Tensor):
                _add(self.sums[self.call][0], self._measured(first, self.known[self.call][1]))
            self.call += 1

        return look

    def _changed(self) -> InputError:
        return InputError(
            f"{self.name} cannot be counted: it calls other layers for some images than for others. Which layers it "
            "calls must not depend on what it sees."
        )

    def _by_step(self, x: Tensor) -> Tensor:
        """Sums [steps], in float64."""
        return x.flatten(1).sum(1, dtype=torch.float64) if self.timed else x.sum(dtype=torch.float64)[None]

    def _measured(self, x: Tensor, form: Form) -> dict[str, Tensor]:
        x = x.detach()
        counts = {"size": torch.tensor(float(x.numel()), dtype=torch.float64)}
        if not x.numel():
            return counts
        x = x.to(torch.float32)
        low, high = x.aminmax()
        binary = bool(low >= 0) and bool(high <= 1) and bool(((x == low) | (x == high)).all())
        nonzero = self._by_step((x != 0).float())
        counts |= {"nonzero": nonzero}
        if isinstance(form, str):
            counts |= {"heights": self._by_step(x.abs()), "odd": nonzero.sum()}
        else:
            scaled = x.abs() / form
            whole = scaled.round()
            counts |= {"heights": self._by_step(whole), "odd": ((scaled - whole).abs() > 1e-3).sum().double()}
        if binary:
            counts |= {"binary_size": counts["size"], "binary_sum": x.sum(dtype=torch.float64)}
        return counts

    def _synapses(self, module: nn.Module, x: Tensor, form: Form) -> dict[str, Tensor]:
        place = x.shape[-1:] if isinstance(module, nn.Linear) else x.shape[-1 - len(cast(Any, module).kernel_size) :]
        key = (id(module), tuple(place))
        if key not in self.fans:
            self.fans[key] = _fans(module, tuple(place), x.device)
        every, kept = self.fans[key]
        lead = x.shape[: x.dim() - len(place)]
        x = x.detach().to(torch.float32)
        signs = bool((x.abs() == (x != 0)).all())
        nonzero = (x != 0).float()
        spikes = nonzero if isinstance(form, str) else (x.abs() / form).round()

        def met(numbers: Tensor, fan: Tensor) -> Tensor:
            if self.timed:
                by_place = numbers.reshape(lead[0], -1, *place).sum(1, dtype=torch.float64)
                return (by_place * fan).flatten(1).sum(1)
            return (numbers.reshape(-1, *place).sum(0, dtype=torch.float64) * fan).sum()[None]

        copies = math.prod(lead[1:]) if self.timed else math.prod(lead)
        dense = (every.sum() * copies).expand(lead[0] if self.timed else 1).clone()
        return {
            "dense": dense,
            "active": met(nonzero, every),
            "spikes": met(spikes, every),
            ("signs" if signs else "values"): met(nonzero, kept).sum(),
        }

    def activity(self) -> Activity:
        """Return the means over all images."""
        seen = []
        for layer, (reads, gives), sums in zip(self.layers, self.known, self.sums, strict=True):
            output, *inputs = ({name: value / self.images for name, value in each.items()} for each in sums)
            of_synapses = {name: inputs[0].pop(name) for name in SYNAPSES if inputs and name in inputs[0]}
            once = self.timed and self.steps > 1 and bool(layer.output) and layer.output[0] == 1
            seen.append(
                Seen(
                    layer,
                    reads,
                    gives,
                    self.steps if once else 1,
                    tuple(Passed(**_plain(each)) for each in inputs),
                    Passed(**_plain(output)),
                    Synapses(**_plain(of_synapses)) if of_synapses else None,
                )
            )
        return Activity(tuple(seen), self.steps, self.images, self.timed)


SYNAPSES = ("dense", "active", "spikes", "signs", "values")


def _plain(counts: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: tuple(value.tolist()) if value.dim() else float(value) for name, value in counts.items()}


def _add(sums: dict[str, Tensor], counts: Mapping[str, Tensor]) -> None:
    for name, value in counts.items():
        sums[name] = sums[name] + value if name in sums else value


def _fans(module: nn.Module, place: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the fan-out of each input [C, ...] over all synapses, and over those whose weight is not 0; float64."""
    weight = cast(Tensor, module.weight)
    if isinstance(module, nn.Linear):
        every = torch.full(place, float(module.out_features), dtype=torch.float64, device=device)
        kept = (weight != 0).sum(0, dtype=torch.float64)
        return every, kept
    groups = cast(Any, module).groups
    one = _reads((1, *place[1:]), torch.ones_like(weight[:1, :1]), module, 1)
    every = (one * (len(weight) // groups)).expand(place)
    zeros = bool((weight == 0).any())
    return every, _reads(place, (weight != 0), module, groups) if zeros else every


def _reads(place: tuple[int, ...], weight: Tensor, module: nn.Module, groups: int) -> Tensor:
    """How often each input of a convolution is read: the gradient of all outputs' sum, with weights of 1."""
    kind: Any = next(kind for kind in CONNECTIONS if isinstance(module, kind))
    names = ("kernel_size", "stride", "padding", "dilation", "padding_mode")
    geometry = {name: getattr(module, name) for name in names}
    copy: Any = kind(weight.shape[1] * groups, len(weight), groups=groups, bias=False, **geometry)
    copy = copy.to(device=weight.device, dtype=torch.float64)
    with torch.no_grad():
        copy.weight.copy_(weight)
    with torch.enable_grad():
        x = torch.zeros(1, *place, dtype=torch.float64, device=weight.device, requires_grad=True)
        (fan,) = torch.autograd.grad(copy(x).sum(), x)
    return fan[0]
