"""Rasters of one image: against taps on the network, and SpikingJelly's two ways against each other."""

import pytest
import torch
from torch import nn

from spikedistill.errors import InputError
from spikedistill.evaluate.activity import observe
from spikedistill.evaluate.energy import rates
from spikedistill.evaluate.operations import exact
from spikedistill.evaluate.raster import Raster, rasters
from spikedistill.models import MLP, ConvNet, SEWResNet
from spikedistill.models.module import ModuleNetwork
from spikedistill.models.taps import attach
from spikedistill.models.trace import trace
from spikedistill.neurons import IF, GradedReLU, ReLU
from spikedistill.neurons.norm import Norm

SHAPE = (2, 16, 16)


def lively(model, neuron):
    """A network in which neurons fire, and an image."""
    torch.manual_seed(0)
    network, x = model.build(SHAPE, 5, neuron), torch.randn(4, *SHAPE)
    for module in network.modules():
        if isinstance(module, Norm):
            module.momentum = 1.0
            nn.init.uniform_(module.bias, 0.1, 0.4)
    with torch.no_grad():
        network.train()(x, 3)
    return network.eval(), x[:1]


@pytest.mark.parametrize(
    ("model", "neuron"),
    [(ConvNet((4, 6), (8,)), IF()), (ConvNet((4,), (8,)), GradedReLU()), (SEWResNet(18, width=2), IF())],
    ids=["convnet", "graded", "sew"],
)
def test_what_fires_is_what_taps_see(model, neuron):
    network, x = lively(model, neuron)
    logits, found = rasters(network, x, 4)
    assert [one.path for one in found] == [one.path for one in rates(observe(network, [x], 4))]
    taps = attach(network, [one.path for one in found])
    with torch.no_grad(), taps.recording():
        torch.testing.assert_close(logits, network(x, 4)[:, 0])
    for one, values in zip(found, taps.take().values(), strict=True):
        assert torch.equal(one.fired, values[:, 0].flatten(1) != 0)
    assert all(one.fired.any() for one in found)


def test_frames():
    network, _ = lively(ConvNet((4,), (8,)), IF())
    frames = torch.randint(0, 3, (5, 1, *SHAPE)).float()
    logits, found = rasters(network, frames, 5)
    assert len(logits) == 5
    assert {len(one.fired) for one in found} == {5}


def test_an_ann_has_no_spikes():
    network, x = lively(MLP((12,)), ReLU())
    logits, found = rasters(network, x, 4)
    assert (logits.shape, found) == ((1, 5), [])


def test_some_neurons_are_evenly_chosen():
    fired = torch.zeros(3, 10, dtype=torch.bool)
    fired[0, [0, 1]] = fired[2, [5, 9]] = True
    assert Raster("x", fired).some(4) == [(0, 0), (2, 2)], "neurons 0, 2, 5 and 7"
    assert Raster("x", fired).some(64) == [(0, 0), (0, 1), (2, 5), (2, 9)]
    assert Raster("x", torch.zeros(3, 0, dtype=torch.bool)).some(64) == []


def jelly(mode: str) -> ModuleNetwork:
    """A SpikingJelly network, the same for both modes."""
    pytest.importorskip("spikingjelly")
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    torch.manual_seed(0)
    network = nn.Sequential(
        layer.Conv2d(2, 4, 3, padding=1, bias=False),
        neuron.LIFNode(surrogate_function=surrogate.ATan()),
        layer.MaxPool2d(2),
        layer.Flatten(),
        layer.Linear(256, 5, bias=False),
    )
    functional.set_step_mode(network, mode)
    return ModuleNetwork(network, "a network", "sequence" if mode == "m" else "step", True).eval()


def test_neurons_of_spikingjelly_are_layers_in_both_modes():
    """They have a surrogate gradient in them, as a module that evaluation does not call."""
    image = 3 * torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    multi, single = (rasters(jelly(mode), image, 3) for mode in ("m", "s"))
    torch.testing.assert_close(multi[0], single[0])
    ((one,), (other,)) = multi[1], single[1]
    assert (one.path, one.fired.shape) == (other.path, other.fired.shape) == ("module.1", (3, 4 * 256))
    assert torch.equal(one.fired, other.fired)
    assert one.fired.any()


def test_spikes_of_spikingjelly_are_additions():
    network = jelly("m")
    image = 3 * torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    layers = {one.path: one for one in trace(network, image, 3)}
    assert (layers["module.1"].gives, layers["module.4"].reads) == ("spikes", "spikes")
    (raster,) = rasters(network, image, 3)[1]
    pooled = nn.functional.max_pool2d(raster.fired.view(3, 4, 16, 16).float(), 2)
    counted = exact(observe(network, [image], 3))
    assert counted.acs == float(pooled.sum()) * 5
    (rate,) = rates(observe(network, [image], 3))
    assert rate.rate == pytest.approx(float(raster.fired.float().mean()))


def test_steps_that_cannot_be_told_are_refused():
    class Neurons(nn.Module):
        def forward(self, x):
            return (x.transpose(0, 1) > 0).float()  # batch first

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.neurons, self.head = Neurons(), nn.Linear(512, 5)

        def forward(self, x):
            return self.head(self.neurons(x.flatten(2)).transpose(0, 1))

    network = ModuleNetwork(Net(), "a network", "sequence", True).eval()
    with pytest.raises(InputError, match=r"'module.neurons' gives \(1, 3, 512\) for one image in 3 steps"):
        rasters(network, torch.randn(1, *SHAPE), 3)
