"""The list of layers of one pass, on networks of this library and of others."""

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from spikedistill.models import MLP, VGG, WRN, ConvNet, Model, PyramidNet, ResNet, ResNet19, SEWResNet, Twin
from spikedistill.models.size import size
from spikedistill.models.trace import INPUT, Layer, trace
from spikedistill.neurons import IF, GradedReLU, Neuron, ReLU

SHAPE = (2, 8, 8)
SMALL = [
    ConvNet((4, 4), (8,)),
    MLP((12, 8)),
    MLP((6,), "neuron"),
    PyramidNet((1, 2), stem=4, widen=6),
    ResNet(18, width=2),
    ResNet19(width=2, hidden=(6,)),
    SEWResNet(18, width=2),
    Twin("plain_networks:Functional"),
    Twin("plain_networks:Residual"),
    VGG(11, "avg", hidden=(6,), width=2),
    WRN(10, 1),
]


def traced(model: Model, neuron: Neuron, steps: int = 3) -> dict[str, Layer]:
    torch.manual_seed(0)
    layers = trace(model.build(SHAPE, 5, neuron), torch.randn(2, *SHAPE), steps)
    return {layer.path: layer for layer in layers}


def read_from(layers: dict[str, Layer], path: str) -> list[str]:
    """Paths of a layer's sources."""
    names = list(layers)
    return ["input" if source is INPUT else names[source] for source in layers[path].sources]


def test_a_chain_of_layers() -> None:
    layers = trace(ConvNet((4,), (8,)).build(SHAPE, 5, IF()), torch.randn(2, *SHAPE), 3)
    assert [(layer.path, layer.kind) for layer in layers] == [
        ("convs.0", "Conv2d"),
        ("conv_acts.0.norm", "Norm"),
        ("conv_acts.0.act", "Activation"),
        ("pool", "MaxPool2d"),
        ("flatten", "Flatten"),
        ("synapses.0", "Linear"),
        ("acts.0.norm", "Norm"),
        ("acts.0.act", "Activation"),
        ("head", "Linear"),
    ]
    assert [layer.sources for layer in layers] == [(INPUT,), *((k,) for k in range(8))]
    assert [layer.reads for layer in layers] == ["dense"] * 3 + ["spikes"] * 3 + ["dense"] * 2 + ["spikes"]
    assert [layer.output[:2] for layer in layers] == [(1, 2)] * 2 + [(3, 2)] * 7
    assert [layer.macs for layer in layers] == [4 * 2 * 9 * 64, 0, 0, 0, 0, 64 * 8, 0, 0, 8 * 5]
    assert [layer.parameters for layer in layers] == [72, 8, 0, 0, 0, 512, 16, 0, 40]


def test_a_residual_that_is_added_before_the_neuron() -> None:
    layers = traced(ResNet(18, width=2), IF())
    assert read_from(layers, "stage1.0.act2.act") == ["stage1.0.act2.norm", "stem_act.act"]
    assert read_from(layers, "stage1.1.conv1") == ["stage1.0.act2.act"]
    assert read_from(layers, "stage2.0.act2.act") == ["stage2.0.act2.norm", "stage2.0.shortcut.1"]
    assert read_from(layers, "stage2.0.shortcut.0") == ["stage1.1.act2.act"]
    assert layers["stage2.0.conv1"].reads == layers["stage2.0.shortcut.0"].reads == "spikes"
    assert (layers["head"].reads, layers["mean"].gives) == ("graded", "graded")


def test_residuals_that_are_sums_of_currents() -> None:
    layers = traced(WRN(16, 1), IF())
    assert read_from(layers, "blocks.0.add") == ["blocks.0.conv2", "stem"]
    assert read_from(layers, "blocks.1.add") == ["blocks.1.conv2", "blocks.0.add"]
    assert read_from(layers, "blocks.2.add") == ["blocks.2.conv2", "blocks.2.shortcut"]
    assert read_from(layers, "blocks.2.act1.norm") == ["blocks.1.add"]
    assert layers["blocks.0.add"].inputs == ((3, 2, 16, 8, 8), (1, 2, 16, 8, 8))
    assert layers["blocks.1.act1.norm"].reads == "dense"


def test_sums_and_means_of_spikes_are_graded() -> None:
    layers = traced(SEWResNet(18, width=2), IF())
    reads = [layers[f"stage1.{path}"].reads for path in ("0.conv1", "0.conv2", "1.conv1", "1.conv2")]
    assert reads == ["spikes", "spikes", "graded", "spikes"]
    assert read_from(layers, "stage1.1.add") == ["stage1.1.act2.act", "stage1.0.add"]
    assert read_from(layers, "stage2.0.add") == ["stage2.0.act2.act", "stage2.0.shortcut.1.act"]
    layers = traced(VGG(11, "avg", (), width=2), IF())
    convs = [layer.reads for layer in layers.values() if layer.kind == "Conv2d"]
    assert convs == ["dense", "graded", "graded", "spikes", "graded", "spikes", "spikes", "spikes"]


def test_channels_that_are_padded_come_from_where_the_others_do() -> None:
    layers = traced(PyramidNet((1, 1), stem=4, widen=6), IF())
    assert read_from(layers, "blocks.1.add") == ["blocks.1.conv3.1", "blocks.1.shortcut.1"]
    assert read_from(layers, "blocks.1.shortcut.1") == ["blocks.1.shortcut.0"]
    assert layers["blocks.1.shortcut.1"].inputs == ((3, 2, 28, 4, 4),)
    assert layers["blocks.1.shortcut.1"].output == (3, 2, 40, 4, 4)


@pytest.mark.parametrize("model", SMALL, ids=str)
@pytest.mark.parametrize("neuron", [IF(), GradedReLU(), ReLU()], ids=lambda neuron: type(neuron).__name__)
def test_every_layer_and_every_parameter_is_there(model: Model, neuron: Neuron) -> None:
    layers = traced(model, neuron)
    network = model.build(SHAPE, 5, neuron)
    assert sum(layer.parameters for layer in layers.values()) == sum(p.numel() for p in network.parameters())
    assert sum(layer.macs for layer in layers.values()) == size(model, SHAPE, 5).macs
    gives = {layer.gives for layer in layers.values() if layer.kind == "Activation"}
    assert gives == {"spikes" if neuron.binary else "graded" if neuron.spiking else "dense"}
    assert all(layer.sources for layer in layers.values())


def test_the_pass_leaves_nothing_behind() -> None:
    network, images = WRN(10, 1).build(SHAPE, 5, IF()), torch.randn(2, *SHAPE)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trace(network, images, 2)
    assert network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Foreign(nn.Module):
    """Shared and inplace modules, sums and concatenations between modules, tuples."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.again = nn.Conv2d(4, 4, 1, bias=False)
        self.drop = nn.Dropout()
        self.lstm = nn.LSTM(8, 6)
        self.head = nn.Linear(6 + 4 * 64, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv(x)))
        y = self.relu(self.again(x) + x)
        states, _ = self.lstm(self.drop(y)[:, 0].transpose(0, 1))
        return cast(Tensor, self.head(torch.cat((states[-1], torch.flatten(y, 1)), 1)))


def test_a_foreign_network() -> None:
    torch.manual_seed(0)
    layers = trace(Foreign(), torch.randn(3, 2, 8, 8))
    assert [(layer.path, layer.sources) for layer in layers] == [
        ("conv", (INPUT,)),
        ("norm", (0,)),
        ("relu", (1,)),
        ("again", (2,)),
        ("relu", (3, 2)),
        ("drop", (4,)),
        ("lstm", (5,)),
        ("head", (6, 4)),
    ]
    assert [layer.macs for layer in layers] == [4 * 18 * 64, 0, 0, 4 * 4 * 64, 0, 0, 0, (6 + 256) * 5]
    assert layers[6].output == (8, 3, 6)
    assert all(layer.reads == "dense" for layer in layers)


def test_spikes_of_foreign_neurons_are_seen() -> None:
    class Fire(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x > 0).float()

    network = nn.Sequential(nn.Conv2d(2, 4, 3), Fire(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5))
    layers = trace(network, torch.randn(2, *SHAPE))
    assert [layer.reads for layer in layers] == ["dense", "dense", "spikes", "spikes", "spikes"]


def test_tokens_and_time_are_told_apart() -> None:
    linear = nn.Linear(4, 6)
    for shape, macs in (((3, 4), 24), ((3, 7, 4), 7 * 24), ((5, 3, 4), 24), ((5, 3, 7, 4), 7 * 24)):

        class Net(nn.Module):
            def forward(self, _images: Tensor, shape: tuple[int, ...] = shape) -> Tensor:
                return cast(Tensor, self.layer(torch.zeros(shape)))

        network = Net()
        network.layer = linear
        (layer,) = trace(network, torch.randn(3, *SHAPE))
        assert layer.macs == macs
        assert layer.sources == ()
