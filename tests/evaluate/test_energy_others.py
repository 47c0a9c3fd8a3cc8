"""Operations by two programs of other people, and of networks of other people."""

import sys
import types
from importlib.util import find_spec
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.evaluate.activity import observe
from spikedistill.evaluate.energy import mean_rate, rates
from spikedistill.evaluate.operations import exact, neurobench, syops
from spikedistill.models import (
    Network,
    TorchModule,
)
from spikedistill.neurons import IF

SHAPE = (2, 8, 8)


class Fire(nn.Module):
    """Neurons without memory."""

    def forward(self, x: Tensor) -> Tensor:
        return (x > 0.2).to(x.dtype)


class Folded(nn.Module):
    """The image in T steps, as syops-counter is given it: time and batch are one axis."""

    def __init__(self, layers: nn.Module, steps: int) -> None:
        super().__init__()
        self.layers = layers
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.linspace(-0.3, 0.3, self.steps).view(-1, 1, 1, 1, 1)
        return cast(Tensor, self.layers((x + noise).flatten(0, 1)))


def plain(neuron: type[nn.Module], pool: type[nn.Module]) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        neuron(),
        nn.Conv2d(4, 6, 3, stride=2, bias=False),
        nn.BatchNorm2d(6),
        neuron(),
        pool(3, 1),
        nn.Flatten(),
        nn.Linear(6, 5),
    )


@pytest.fixture
def syops_hooks(monkeypatch):
    """syops-counter's own functions. It imports names that SpikingJelly has no more, and a progress bar."""
    if find_spec("syops") is None:
        pytest.skip("no syops-counter")

    class Neuron(nn.Module):
        pass

    names = ("MultiStepIFNode", "MultiStepLIFNode", "IFNode", "LIFNode", "MultiStepParametricLIFNode")
    clock = types.ModuleType("spikingjelly.clock_driven")
    neuron = types.ModuleType("spikingjelly.clock_driven.neuron")
    for name in (*names, "ParametricLIFNode"):
        setattr(neuron, name, type(name, (Neuron,), {}))
    bar = types.ModuleType("progress.bar")
    bar.Bar = object
    for name, module in {
        "spikingjelly": types.ModuleType("spikingjelly"),
        "spikingjelly.clock_driven": clock,
        "spikingjelly.clock_driven.neuron": neuron,
        "progress": types.ModuleType("progress"),
        "progress.bar": bar,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("surrogate", "functional"):
        setattr(clock, name, types.ModuleType(name))
    clock.neuron = neuron
    from syops import ops

    yield types.SimpleNamespace(mapping=dict(ops.MODULES_MAPPING), neuron=neuron.IFNode)
    for name in [name for name in sys.modules if name.partition(".")[0] == "syops"]:
        del sys.modules[name]


@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
@pytest.mark.parametrize("kind", ["spikes", "relu"])
def test_syops_counter(syops_hooks, pool, kind):
    """Its hooks on a plain network, one image in three steps."""

    class Node(Fire, syops_hooks.neuron):
        pass

    network = Folded(plain(Node if kind == "spikes" else nn.ReLU, pool), 3).eval()
    image = torch.randn(1, 2, 8, 8)
    for module in network.modules():
        kinds = [known for known in syops_hooks.mapping if isinstance(module, known)]
        if kinds:
            module.__syops__ = np.zeros(4)
            module.register_forward_hook(syops_hooks.mapping[kinds[-1]])
    with torch.no_grad():
        network(image)
    theirs = sum(module.__syops__ for module in network.modules() if hasattr(module, "__syops__"))
    other = Folded(plain(Fire if kind == "spikes" else nn.ReLU, pool), 3)
    ours = syops(observe(other, [image], None))
    assert (ours.dense, ours.acs, ours.macs) == pytest.approx(tuple(theirs[:3]))
    assert (ours.acs > 0) == (kind == "spikes")


@pytest.mark.parametrize("neuron", [Fire, nn.ReLU])
def test_neurobench(neuron):
    """Its functions on the inputs of the layers, with weights that are 0."""
    macs = pytest.importorskip("neurobench.metrics.utils.layers", exc_type=ImportError)
    from neurobench.metrics.static.connection_sparsity import ConnectionSparsity
    from neurobench.metrics.static.footprint import Footprint
    from neurobench.models import TorchModel

    network = plain(neuron, nn.MaxPool2d).eval()
    with torch.no_grad():
        network[3].weight[torch.rand(network[3].weight.shape) < 0.4] = 0
    x = torch.randn(3, 2, 8, 8)
    inputs = {}
    handles = [
        layer.register_forward_pre_hook(lambda layer, given: inputs.update({layer: given[0]}))
        for layer in network
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        network(x)
        for handle in handles:
            handle.remove()
        counted = {"Effective_MACs": 0.0, "Effective_ACs": 0.0, "Dense": 0.0}
        for layer, given in inputs.items():
            number, spiking = macs.single_layer_MACs(given, layer)
            counted["Effective_ACs" if spiking else "Effective_MACs"] += float(number) / 3
            counted["Dense"] += float(macs.single_layer_MACs(given, layer, total=True)[0]) / 3
    ours = neurobench(observe(network, [x], None), network).more
    assert ours["synaptic_operations"] == pytest.approx(counted)
    model = TorchModel(network)
    assert ours["footprint"] == Footprint()(model)
    assert ours["connection_sparsity"] == ConnectionSparsity()(model)


# ---- networks of other people


class Attends(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.head = nn.Linear(8, 5)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.memory = nn.LSTM(8, 8, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = x.mean(1)
        if self.how == "product":
            x = x @ x.transpose(1, 2)
        elif self.how == "attention":
            x = self.attention(x, x, x)[0]
        elif self.how == "memory":
            x = self.memory(x)[0]
        elif self.how == "functional":
            x = nn.functional.linear(x, self.head.weight[:, :8])
            return x.mean(1)
        elif self.how == "sometimes" and x.sum() > 0:
            x = self.head(x)
            return x.mean(1)
        return cast(Tensor, self.head(x.mean(1)))


@pytest.mark.parametrize("how", ["product", "attention", "memory", "functional"])
def test_products_that_no_layer_shows_are_refused(how):
    with pytest.raises(InputError, match=r"Mine cannot be counted: it computes a product \(.*\) outside of conv"):
        observe(Attends(how), [torch.randn(2, *SHAPE)], None, name="Mine")


def test_a_network_that_goes_different_ways_is_refused():
    branches = nn.ModuleDict({"a": nn.Linear(2, 5), "b": nn.Linear(2, 5)})

    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches = branches

        def forward(self, x: Tensor) -> Tensor:
            return cast(Tensor, self.branches["a" if x.sum() > 0 else "b"](x.mean((2, 3))))

    with pytest.raises(InputError, match="calls other layers for some images than for others"):
        observe(Branching(), [torch.ones(2, *SHAPE), -torch.ones(2, *SHAPE)], None)
    with pytest.raises(InputError, match="there are none"):
        observe(Branching(), [], None)


def spiking_in_steps() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(128, 8), Fire(), nn.Linear(8, 5))


@pytest.mark.parametrize("takes", ["step", "sequence"])
def test_foreign_students(takes, monkeypatch):
    """A module that is called in each step, or once with all of them: by loops."""
    torch.manual_seed(0)
    module = spiking_in_steps()
    if takes == "sequence":
        module[0] = nn.Flatten(2)
    holder = types.ModuleType("holder")
    holder.make = lambda: module
    monkeypatch.setitem(sys.modules, "holder", holder)
    network = TorchModule(target="holder:make", takes=takes).build(SHAPE, 5, IF())
    assert isinstance(network, Network)
    x = torch.randn(4, *SHAPE)
    seen = observe(network, [x], 3)
    spikes = 3 * float((module[1](x.flatten(1)) > 0.2).sum()) / 4
    counted = exact(seen)
    assert counted.acs == pytest.approx(spikes * 5)
    assert counted.macs == 3 * 128 * 8
    assert mean_rate(rates(seen)) == pytest.approx(spikes / 24)
