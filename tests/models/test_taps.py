"""Activations by name."""

import weakref
from collections import OrderedDict

import pytest
import torch
from torch import nn

from spikedistill.errors import InputError
from spikedistill.models import ConvNet, models
from spikedistill.models.taps import attach, watched
from spikedistill.neurons import IF, ReLU


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(3, 4), nn.Linear(4, 5)])
        self.lstm = nn.LSTM(5, 2)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        self.lstm(x)
        return x.sum(-1)


def test_dotted_paths_in_the_order_asked_for():
    network, x = Nested(), torch.randn(2, 3)
    taps = attach(network, ("blocks.1", "blocks.0"))
    with taps.recording():
        network(x)
    taken = taps.take()
    assert list(taken) == ["blocks.1", "blocks.0"]  # not that of execution
    first = network.blocks[0](x)
    torch.testing.assert_close(taken["blocks.1"], network.blocks[1](first))


def test_each_pass_replaces_the_one_before_with_gradient():
    network = Nested()
    taps = attach(network, ("blocks.1",))
    for size in (2, 7):
        with taps.recording():
            network(torch.randn(size, 3)).sum().backward()
    (tap,) = taps.take().values()
    assert tap.shape == (7, 5)
    assert tap.requires_grad


def test_nothing_is_recorded_or_held_outside_a_recording():
    network = Nested()
    taps = attach(network, ("blocks.1",))
    with taps.recording():
        network(torch.randn(2, 3))
    output = weakref.ref(taps.take()["blocks.1"])
    assert output() is None
    network(torch.randn(2, 3))
    with pytest.raises(InputError, match="recorded nothing"):
        taps.take()


def test_a_pass_that_fails_leaves_nothing():
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 4))
    taps = attach(network, ("0",))
    with pytest.raises(RuntimeError), taps.recording():
        network(torch.randn(2, 3))
    with pytest.raises(InputError, match="'0' recorded nothing"):
        taps.take()


def test_outputs_of_a_network_without_time_get_its_axis():
    """A mean over the first axis is then the mean over time, and not over the batch."""
    network, x = Nested(), torch.randn(2, 3)
    taps = attach(network, ("blocks.1", "blocks.0"), time=False)
    with taps.recording():
        network(x)
    assert [tap.shape for tap in taps.take().values()] == [(1, 2, 5), (1, 2, 4)]


def test_a_module_that_the_pass_does_not_call_is_named():
    network = Nested()
    network.unused = nn.Linear(1, 1)
    taps = attach(network, ("blocks.0", "unused"))
    with taps.recording():
        network(torch.randn(2, 3))
    with pytest.raises(InputError, match="'unused' recorded nothing: the network's forward pass does not call it"):
        taps.take()


def test_nothing_asked_nothing_hooked():
    network = Nested()
    taps = attach(network, ())
    assert not any(module._forward_hooks for module in network.modules())
    with taps.recording():
        network(torch.randn(2, 3))
    assert taps.take() == {}


@pytest.mark.parametrize("kind", [kind for kind in models().values() if kind.examples()], ids=lambda kind: kind.name)
@pytest.mark.parametrize("neuron", [IF(), ReLU()], ids=["snn", "ann"])
def test_stages_of_every_model(kind, neuron):
    model, shape = kind.examples()[-1]
    network = model.build(shape, 10, neuron).eval()
    taps = attach(network, ("stages",))
    with torch.no_grad(), taps.recording():
        network(torch.randn(2, *shape), 3)
    taken = taps.take()
    assert list(taken) == list(network.stages) != []
    for tap in taken.values():
        assert tap.shape[:2] == (3 if neuron.spiking else 1, 2)


class InPlace(nn.Module):
    """One ReLU for two places, which works in place, and a sum that does."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.norm(self.relu(x.clone()))
        y += x
        return self.relu(y)


def test_what_enters_a_module_is_copied_before_it_is_overwritten():
    """That of its last call."""
    network, x = InPlace().eval(), torch.randn(6, 4)
    taps = attach(network, ("relu.input", "relu"))
    with torch.no_grad(), taps.recording():
        output = network(x)
    taken = taps.take()
    torch.testing.assert_close(taken["relu.input"], network.norm(torch.relu(x)) + x)
    assert (taken["relu.input"] < 0).any()
    assert torch.equal(taken["relu"], output)


@pytest.mark.parametrize("grad", [True, False])
def test_an_output_that_is_overwritten_is_refused(grad):
    network = InPlace()
    taps = attach(network, ("norm",))
    with torch.set_grad_enabled(grad), taps.recording():
        network(torch.randn(6, 4))
    with pytest.raises(InputError, match=r"'norm' returns is changed in place afterwards.*Name what enters"):
        taps.take()


def test_a_module_called_input_is_a_module():
    network = nn.Sequential(OrderedDict(input=nn.Linear(3, 4)))
    taps = attach(network, ("input",))
    with taps.recording():
        network(torch.randn(2, 3))
    assert taps.take()["input"].shape == (2, 4)


def test_inputs_of_the_librarys_own_modules():
    """A tap before norm + neuron does not change what it gives, and costs nothing while it does not record."""
    network = ConvNet((4,), (8,)).build((2, 8, 8), 5, IF()).eval()
    images = torch.randn(3, 2, 8, 8)
    plain = network(images, 4)
    taps = attach(network, ("stages.input",))
    assert not watched(network.get_submodule("conv_acts.0"))
    with taps.recording():
        assert torch.equal(network(images, 4), plain)
    torch.testing.assert_close(taps.take()["conv_acts.0.input"], network.convs[0](images[None]))


def test_wrong_names_get_the_nearest_right_one():
    with pytest.raises(InputError, match=r"Nested has no module 'block.1' to tap\. Did you mean 'blocks.1'"):
        attach(Nested(), ("block.1",))


def test_names_that_are_near_to_none_get_those_that_there_are():
    network = ConvNet((4,), (8,)).build((2, 8, 8), 5, IF())
    with pytest.raises(InputError, match=r"no module 'nowhere' to tap\. Its stages are conv_acts\.0\.$"):
        attach(network, ("nowhere",))
    with pytest.raises(InputError, match=r"Its modules are 0, 1, 2, 3, 4, 5, 6, 7 and 2 more\.$"):
        attach(nn.Sequential(*(nn.Identity() for _ in range(10))), ("nowhere",))
    with pytest.raises(InputError, match=r"Its modules are none\.$"):
        attach(nn.Identity(), ("nowhere",))


def test_a_module_without_stages_has_to_be_told_paths():
    """No taps at all would be a silent answer."""
    with pytest.raises(InputError, match="does not say what its stages are"):
        attach(Nested(), ("stages",))
    holder = nn.Module()
    holder.stages = nn.ModuleList([nn.Linear(1, 1)])
    with pytest.raises(InputError, match="does not say what its stages are"):
        attach(holder, ("stages",))


def test_outputs_that_are_no_tensors_are_refused():
    network = Nested()
    taps = attach(network, ("lstm",))
    with pytest.raises(InputError, match="'lstm' cannot be tapped: it returns tuple"), taps.recording():
        network(torch.randn(2, 3))
