"""Activations by name."""

import pytest
import torch
from torch import nn

from spikedistill.errors import InputError
from spikedistill.models import models
from spikedistill.models.taps import attach
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
    assert taps == {}
    network(x)
    first = network.blocks[0](x)
    assert set(taps) == {"blocks.0", "blocks.1"}
    torch.testing.assert_close(taps["blocks.1"], network.blocks[1](first))


def test_each_pass_replaces_the_one_before_with_gradient():
    network = Nested()
    taps = attach(network, ("blocks.1",))
    network(torch.randn(2, 3))
    before = taps["blocks.1"]
    network(torch.randn(7, 3)).sum().backward()
    assert taps["blocks.1"].shape == (7, 5)
    assert before.shape == (2, 5)
    assert taps["blocks.1"].requires_grad


def test_nothing_asked_nothing_hooked():
    network = Nested()
    assert attach(network, ()) == {}
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("kind", models().values(), ids=lambda kind: kind.name)
@pytest.mark.parametrize("neuron", [IF(), ReLU()], ids=["snn", "ann"])
def test_stages_of_every_model(kind, neuron):
    model, shape = kind.examples()[-1]
    network = model.build(shape, 10, neuron).eval()
    taps = attach(network, ("stages",))
    with torch.no_grad():
        network(torch.randn(2, *shape), 3)
    assert list(taps) == list(network.stages) != []
    for tap in taps.values():
        assert tap.shape[:2] == (3 if neuron.spiking else 1, 2)


def test_wrong_names_get_the_nearest_right_one():
    with pytest.raises(InputError, match=r"Nested has no module 'block.1' to tap\. Did you mean 'blocks.1'"):
        attach(Nested(), ("block.1",))


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
    attach(network, ("lstm",))
    with pytest.raises(InputError, match="'lstm' cannot be tapped: it returns tuple"):
        network(torch.randn(2, 3))
