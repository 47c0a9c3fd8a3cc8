"""Operations of networks, counted once more by loops over every synapse; the papers' numbers."""

import sys
import types
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikedistill.evaluate.activity import observe
from spikedistill.evaluate.energy import TECHNOLOGIES, mean_rate, rates, report
from spikedistill.evaluate.operations import CONVENTIONS, Operations, exact, syops
from spikedistill.models import (
    MLP,
    VGG,
    WRN,
    ConvNet,
    Model,
    PyramidNet,
    ResNet,
    SEWResNet,
    Twin,
    models,
)
from spikedistill.models.taps import attach
from spikedistill.neurons import IF, LIF, GradedReLU, Neuron, ReLU
from spikedistill.neurons.norm import Norm

SHAPE = (2, 8, 8)


def lively(model: Model, neuron: Neuron, shape=SHAPE, classes: int = 5, images: int = 3, steps: int = 3):
    """A network in which neurons fire: its norms have seen the images once. And the images."""
    torch.manual_seed(0)
    network, x = model.build(shape, classes, neuron), torch.randn(images, *shape)
    for module in network.modules():
        if isinstance(module, Norm):
            module.momentum = 1.0
            nn.init.uniform_(module.bias, 0.1, 0.4)
    with torch.no_grad():
        network.train()(x, steps)
    return network.eval(), x


def fan_out(conv: nn.Conv2d, height: int, width: int) -> np.ndarray:
    """How many outputs read each input [C, H, W]; by loops."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = conv.kernel_size, conv.stride, conv.padding, conv.dilation
    out_h = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    out_w = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    fan = np.zeros((conv.in_channels, height, width))
    for i in range(out_h):
        for j in range(out_w):
            for a in range(kh):
                for b in range(kw):
                    y, x = i * sh - ph + a * dh, j * sw - pw + b * dw
                    if 0 <= y < height and 0 <= x < width:
                        fan[:, y, x] += conv.out_channels // conv.groups
    return fan


def tapped(network: nn.Module, x: Tensor, steps: int, *names: str) -> dict[str, np.ndarray]:
    taps = attach(network, names)
    with torch.no_grad(), taps.recording():
        network(x, steps)
    return {name: value.double().numpy() for name, value in taps.take().items()}


def cost(operations: Operations, path: str) -> tuple[float, float]:
    (found,) = [layer for layer in operations.layers if layer.path == path]
    return sum(found.acs), sum(found.macs)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(2, 4, 3, padding=1),
        nn.Conv2d(2, 4, 3, stride=2),
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(0, 1), groups=2),
        nn.Conv2d(2, 3, 3, dilation=2, padding=1),
        nn.Conv2d(2, 3, 1, stride=2),
    ],
    ids=str,
)
def test_a_spike_counts_once_for_each_output_that_reads_it(conv):
    torch.manual_seed(0)
    x = torch.randint(0, 4, (3, conv.in_channels, 7, 6)).float()
    seen = observe(nn.Sequential(conv), [x], None, given=1.0)
    fan = fan_out(conv, 7, 6)
    (one,) = seen.layers
    assert sum(one.synapses.spikes) == pytest.approx((x.numpy() * fan).sum() / 3)
    assert sum(one.synapses.active) == pytest.approx(((x.numpy() != 0) * fan).sum() / 3)
    assert sum(one.synapses.dense) == pytest.approx(fan.sum())
    assert (exact(seen).acs, exact(seen).macs) == (sum(one.synapses.spikes), 0)


def test_a_plain_network_of_spikes_by_loops():
    network, x = lively(ConvNet((4, 6), (8,)), IF())
    operations = exact(observe(network, [x], 3))
    inputs = tapped(network, x, 3, "convs.0.input", "convs.1.input", "synapses.0.input", "head.input")
    first = fan_out(network.convs[0], 8, 8).sum()
    second = (inputs["convs.1.input"] * fan_out(network.convs[1], 4, 4)).sum() / 3
    assert inputs["convs.0.input"].shape[0] == 1
    assert cost(operations, "convs.0") == (0, first), "a still image is read once, and padding is not"
    assert cost(operations, "convs.1") == (pytest.approx(second), 0)
    assert cost(operations, "synapses.0") == (pytest.approx(inputs["synapses.0.input"].sum() / 3 * 8), 0)
    assert cost(operations, "head") == (pytest.approx(inputs["head.input"].sum() / 3 * 5), 0)
    assert second > 0
    assert {layer.path for layer in operations.layers} == {"convs.0", "convs.1", "synapses.0", "head"}


def test_means_of_spikes_are_spikes_before_the_window():
    """A spike before a 2x2 mean meets every synapse behind the window."""
    network, x = lively(VGG(11, "avg", hidden=(), width=3), IF(), shape=(2, 16, 16))
    operations = exact(observe(network, [x], 2))
    inputs = tapped(network, x, 2, "features.1", "features.16", "features.19")
    conv = network.features[3]
    behind = np.kron(fan_out(conv, 8, 8), np.ones((2, 2)))  # of the pooled pixel that each pixel is in
    assert cost(operations, "features.3") == (pytest.approx((inputs["features.1"] * behind).sum() / 3), 0)
    assert operations.macs == fan_out(network.features[0], 16, 16).sum()
    assert cost(operations, "head") == (pytest.approx(inputs["features.19"].sum() / 3 * 5), 0)
    assert inputs["features.1"].sum() > 0


def test_sums_of_spikes_are_as_many_accumulates():
    network, x = lively(SEWResNet(18, width=3), IF(v_init=0.4), shape=(2, 32, 32), steps=4)
    operations = exact(observe(network, [x], 4))
    blocks = [f"stage{k}.{b}" for k in range(1, 5) for b in range(2)]
    paths = [f"{block}.{conv}" for block in blocks for conv in ("conv1", "conv2")]
    paths += [f"stage{k}.0.shortcut.0" for k in range(2, 5)]
    inputs = tapped(network, x, 4, *(f"{path}.input" for path in paths), "mean.input")
    modules = dict(network.named_modules())
    most = 0.0
    for path in paths:
        spikes = inputs[f"{path}.input"]
        most = max(most, spikes.max())
        expected = (spikes * fan_out(cast(nn.Conv2d, modules[path]), *spikes.shape[-2:])).sum() / 3
        assert sum(sum(layer.acs) for layer in operations.layers if layer.path == path) == pytest.approx(expected)
    assert most >= 2, "some sums are 2 or more"
    assert cost(operations, "head") == (pytest.approx(inputs["mean.input"].sum() / 3 * 5), 0)
    assert operations.macs == fan_out(network.stem, 32, 32).sum(), "only the image is multiplied"


def test_spikes_of_a_shortcut_are_added_to_currents():
    network, x = lively(ResNet(18, width=3), IF(), shape=(2, 16, 16))
    operations = exact(observe(network, [x], 3))
    outputs = tapped(network, x, 3, "stem_act", "stage1.0.act2", "stage2.0.shortcut.1")
    assert cost(operations, "stage1.0.act2.act") == (pytest.approx(outputs["stem_act"].sum() / 3), 0)
    assert cost(operations, "stage1.1.act2.act") == (pytest.approx(outputs["stage1.0.act2"].sum() / 3), 0)
    assert cost(operations, "stage2.0.act2.act") == (outputs["stage2.0.shortcut.1"].size / 3, 0)


def test_currents_that_are_added_cost_one_each():
    network, x = lively(WRN(10, 1), IF(), shape=(2, 8, 8))
    operations = exact(observe(network, [x], 3))
    assert cost(operations, "blocks.0.add") == (3 * 16 * 8 * 8, 0)
    assert cost(operations, "blocks.2.add") == (3 * 64 * 2 * 2, 0)


def test_heights_are_multiplied_where_they_are_not_zero():
    network, x = lively(MLP((12, 8)), GradedReLU())
    operations = exact(observe(network, [x], 3))
    heights = tapped(network, x, 3, "acts.0", "acts.1")
    assert cost(operations, "synapses.1") == (0, pytest.approx((heights["acts.0"] != 0).sum() / 3 * 8))
    assert cost(operations, "synapses.2") == (0, pytest.approx((heights["acts.1"] != 0).sum() / 3 * 5))
    assert (heights["acts.0"] != 0).any()


def test_an_ann_multiplies_everything():
    network, x = lively(ConvNet((4,), (8,)), ReLU())
    operations = exact(observe(network, [x], 3))
    inputs = tapped(network, x, 3, "synapses.0.input", "head.input")
    image = fan_out(network.convs[0], 8, 8).sum()
    assert (operations.acs, operations.macs) == (0, image + 64 * 8 + 8 * 5)
    kept = (inputs["synapses.0.input"] != 0).sum() * 8 + (inputs["head.input"] != 0).sum() * 5
    pixels = (x.numpy() != 0) * fan_out(network.convs[0], 8, 8)
    assert operations.more["macs_without_zeros"] == pytest.approx((kept + pixels.sum()) / 3)
    assert operations.more["neuron_updates"] == 0


def test_counts_of_events_are_spikes():
    network, _ = lively(ConvNet((4,), (8,)), IF())
    frames = torch.randint(0, 3, (3, 2, *SHAPE)).float()
    operations = exact(observe(network, [frames], 3, given=1.0))
    expected = (frames.double().numpy() * fan_out(network.convs[0], 8, 8)).sum() / 2
    assert cost(operations, "convs.0") == (pytest.approx(expected), 0)
    assert operations.macs == 0
    odd = exact(observe(network, [frames + 0.3], 3, given=1.0))
    assert cost(odd, "convs.0") == (0, 3 * fan_out(network.convs[0], 8, 8).sum()), "no whole numbers: products"


EXAMPLES = [
    (
        f"{name}-{k}",
        model,
        (shape[0], *(min(side, 32 if name in ("convnet", "sew-resnet") else 16) for side in shape[1:])),
    )
    for name, kind in models().items()
    for k, (model, shape) in enumerate(kind.examples())
]


@pytest.mark.parametrize(("model", "shape"), [case[1:] for case in EXAMPLES], ids=[case[0] for case in EXAMPLES])
@pytest.mark.parametrize("neuron", [IF(), ReLU()], ids=["IF", "ReLU"])
def test_every_architecture_can_be_counted(model, shape, neuron):
    network, x = lively(model, neuron, shape, images=2, steps=2)
    seen = observe(network, [x], 2)
    counted = {name: count(seen, network) for name, count in CONVENTIONS.items()}
    mine, theirs, bench = counted["exact"], counted["syops"], counted["neurobench"]
    fired = rates(seen)
    assert all(value >= 0 for one in counted.values() for layer in one.layers for value in (*layer.acs, *layer.macs))
    assert mine.dense <= bench.dense * 1.0001 < theirs.dense
    assert bench.more["parameter_count"] == sum(p.numel() for p in network.parameters())
    if neuron.spiking:
        rate = mean_rate(fired)
        assert rate is not None
        assert 0 < rate < 1
        assert bench.more["activation_sparsity"] == pytest.approx(1 - rate)
        assert all(len(one.by_step) == 2 for one in fired)
        assert mine.acs > 0
    else:
        assert fired == []
        assert mine.macs + theirs.macs > 0 < bench.macs


@pytest.mark.parametrize(
    "model", [ConvNet((4,), (8,)), ResNet(18, width=2), PyramidNet((1, 2), stem=4, widen=6)], ids=str
)
def test_counts_are_means_over_images_and_steps_add_up(model):
    network, x = lively(model, LIF())
    whole = exact(observe(network, [x], 3))
    parts = [exact(observe(network, [image[None]], 3)) for image in x]
    assert whole.acs == pytest.approx(np.mean([part.acs for part in parts]))
    assert exact(observe(network, [x[:2], x[2:]], 3)).acs == pytest.approx(whole.acs)
    longer = {layer.path: layer for layer in exact(observe(network, [x], 5)).layers}
    for layer in whole.layers:
        assert longer[layer.path].acs[:3] == pytest.approx(layer.acs), "what came before is not changed by what comes"


class OwnCNN(nn.Module):
    """A network of ReLUs with a mean and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.relu, self.pool = nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2)
        self.head = nn.Linear(4 * 16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        x = self.relu(self.norm(self.conv(x)) + x)
        return cast(Tensor, self.head(torch.flatten(self.pool(x), 1)))


def test_a_twin(monkeypatch):
    """The spiking twin of a network of one's own: by loops, and no spike taken for anything else."""
    holder = types.ModuleType("holder")
    holder.make = OwnCNN
    monkeypatch.setitem(sys.modules, "holder", holder)
    torch.manual_seed(0)
    network = Twin("holder:make").build(SHAPE, 5, IF(threshold=0.2)).eval()
    x = torch.randn(3, *SHAPE)
    seen = observe(network, [x], 3)
    counted = exact(seen)
    first, second = "module.conv.input", "module.pool.input"
    spikes = tapped(network, x, 3, first, second)
    expected = (spikes[first] * fan_out(network.module.conv, 8, 8)).sum() / 3  # into the convolution
    expected += spikes[first].sum() / 3 + spikes[second].sum() / 3 * 5  # the shortcut, and the readout behind the mean
    assert spikes[first].sum() > 0 < spikes[second].sum()
    assert counted.acs == pytest.approx(expected)
    assert counted.macs == fan_out(network.module.stem, 8, 8).sum()
    assert 0 < mean_rate(rates(seen)) < 1


def test_energy_and_rates():
    network, x = lively(ConvNet((4,), (8,)), IF())
    found = report(observe(network, [x], 3), network)
    mine = found["conventions"]["exact"]
    assert mine["energy_mj"]["45nm-fp32"] == pytest.approx((4.6 * mine["macs"] + 0.9 * mine["acs"]) * 1e-9)
    assert [(one.mac, one.ac) for one in TECHNOLOGIES.values()] == [(4.6, 0.9), (1.5, 0.4), (3.2, 0.1), (0.23, 0.03)]
    spikes = tapped(network, x, 3, "conv_acts.0")["conv_acts.0"]
    first = found["firing_rates"][0]
    assert (first["layer"], first["neurons"]) == ("conv_acts.0.act", 4 * 64)
    assert first["rate"] == pytest.approx(spikes.mean())
    assert first["by_step"] == pytest.approx(spikes.mean(axis=(1, 2, 3, 4)))


# ---- published numbers, and the programs that they are from


def test_the_papers_resnet18():
    """TSER, table 4: 12.2 M MACs and 2.23 G OPs, T = 4; to more digits 12.198 M, and 2.227 G without the neurons."""
    network, x = lively(ResNet(18), LIF(), (3, 32, 32), 100, images=1, steps=4)
    counted = syops(observe(network, [x], 4))
    assert counted.macs == 4 * (1_769_472 + 2 * 614_400 + 51_200) + 100 == 12_197_988
    neurons = sum(layer.dense for layer in counted.layers if layer.kind == "Activation")
    assert f"{(counted.dense - neurons) / 1e9:.3f} {counted.dense / 1e9:.2f}" == "2.227 2.23"
    assert f"{counted.macs / 1e6:.3f}" == "12.198"


def test_the_papers_vgg16():
    """TSER, table 4: 274.2 M MACs and 1.26 G OPs. The MACs are those of convolutions with biases, which ours lack."""
    network, x = lively(VGG(16, "avg", ()), LIF(), (3, 32, 32), 100, images=1, steps=4)
    plain = syops(observe(network, [x], 4))
    neurons = sum(layer.dense for layer in plain.layers if layer.kind == "Activation")
    assert f"{plain.macs / 1e6:.2f} {(plain.dense - neurons) / 1e9:.3f} {plain.dense / 1e9:.2f}" == "273.74 1.256 1.26"
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
    biased = syops(observe(network, [x], 4))
    assert biased.macs == 274_235_392 + 100, "and a bias of the readout, once"
    assert f"{biased.macs / 1e6:.2f} {biased.dense / 1e9:.2f}" == "274.24 1.26"
