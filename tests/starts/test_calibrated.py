"""Calibration: the network as an ANN stays what it is, neurons' rates are its activations, percentiles are NumPy's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from spikedistill.data.batches import Batches
from spikedistill.data.split import TensorSplit
from spikedistill.errors import InputError
from spikedistill.models import MLP, WRN, ConvNet, ResNet, models
from spikedistill.models.layers import Flatten, Linear, NormAct
from spikedistill.models.model import Network
from spikedistill.models.size import size
from spikedistill.models.taps import attach
from spikedistill.neurons import IF, GradedReLU, ReLU
from spikedistill.starts import Calibrated, copy_weights
from spikedistill.starts.before import Before
from spikedistill.starts.calibrated import percentile, percentiles


@pytest.fixture
def recipe(student):
    return replace(student, neuron=IF(reset=None, v_init=0.5), model=ConvNet((6, 8), (10,)))


def before(recipe):
    return Before(recipe, Batches(recipe.data.load().train, recipe.batch_size, recipe.seed))


def built(recipe, seed=0):
    """A network whose norms have seen some data, and whose scales are anything."""
    torch.manual_seed(seed)
    network = recipe.model.build(recipe.data.shape, recipe.data.classes, recipe.neuron, recipe.norm)
    for module in network.modules():
        if isinstance(module, NormAct) and module.norm.weight.numel():
            nn.init.uniform_(module.norm.weight, 0.5, 4.0)
            nn.init.uniform_(module.norm.bias, -1.0, 3.0)
    with torch.no_grad():
        network.train()(torch.randn(30, *recipe.data.shape), 1)
    return network.eval()


def as_ann(recipe, network):
    """A network of ReLU with the same weights."""
    ann = built(replace(recipe, neuron=ReLU()))
    copy_weights(ann, network)
    return ann.eval()


def images(recipe):
    return torch.cat(list(before(recipe).images(30)))


SMALLEST = [
    min(kind.examples(), key=lambda example: size(*example).parameters)[0]
    for kind in models().values()
    if kind.examples()
]


@pytest.mark.parametrize("model", SMALLEST, ids=lambda model: model.name)
def test_the_network_as_an_ann_stays_what_it_is(model, recipe, stripes):
    """Of every architecture; activations are divided by their own scale on the way."""

    class Larger(stripes):
        name = "larger"

        @property
        def shape(self):
            return (3, 32, 32)

        def _part(self, seed, counts):
            draw = torch.Generator().manual_seed(seed)
            images = torch.randint(0, 256, (sum(counts), *self.shape), generator=draw, dtype=torch.uint8)
            return TensorSplit(images, torch.arange(sum(counts)) % 3)

    asked = replace(recipe, model=model, data=Larger())
    network = built(asked)
    x = images(asked)[:4]
    with torch.no_grad():
        expected = as_ann(asked, network)(x)
        weights = {name: value.clone() for name, value in network.state_dict().items()}
        Calibrated()(network, before(asked))
        got = as_ann(asked, network)(x)
    torch.testing.assert_close(got, expected, rtol=2e-3, atol=2e-3 * float(expected.abs().max()))
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, weights[name])}
    assert any(name.endswith("norm.weight") for name in changed)
    assert not any("running" in name for name in changed)


@pytest.mark.parametrize("model", [MLP((20, 15)), WRN(10, 1)], ids=lambda model: model.name)
def test_rates_are_activations_over_their_scale(model, recipe):
    """With soft reset and half a threshold to begin with, after many steps; and nothing of the kind before."""
    recipe = replace(recipe, model=model)
    network = built(recipe)
    x = images(recipe)
    with torch.no_grad():
        expected = as_ann(recipe, network)(x)[0]

        def error():
            return float((network(x, 256).mean(0) - expected).abs().max() / expected.abs().max())

        uncalibrated = error()
        Calibrated(percentile=100.0, images=30)(network, before(recipe))
        assert error() < 0.02 < 0.2 < uncalibrated


def test_another_threshold_and_rest(recipe):
    asked = replace(recipe, neuron=IF(threshold=2.5, reset=None, v_init=1.25), model=MLP((20, 15)))
    network = built(asked)
    x = images(asked)
    with torch.no_grad():
        expected = as_ann(asked, network)(x)[0]
        Calibrated(percentile=100.0, images=30)(network, before(asked))
        torch.testing.assert_close(network(x, 256).mean(0), expected, rtol=0, atol=0.02 * float(expected.abs().max()))


def test_the_percentile_of_activations_is_numpys(recipe):
    network = built(recipe)
    ann = as_ann(recipe, network)
    taps = attach(ann, tuple(f"{path}" for path, module in ann.named_modules() if isinstance(module, NormAct)))
    said = percentiles(network, before(recipe), Calibrated(95.0, 60))
    seen = {path: [] for path in said}
    for x in before(recipe).images(60):
        with torch.no_grad(), taps.recording():
            ann(x)
        for path, value in taps.take().items():
            seen[path].append(np.percentile(value.numpy(), 95.0, method="inverted_cdf"))
    assert {len(values) for values in seen.values()} == {2}
    for path, values in seen.items():
        assert said[path] == pytest.approx(np.mean(values), rel=1e-5), path
    assert all(module.neuron == recipe.neuron for module in network.modules() if hasattr(module, "neuron"))


def test_percentiles_of_few_values():
    values = torch.tensor([0.0, 0.0, 1.0, 4.0])
    assert [percentile(values, share) for share in (1e-9, 50.0, 75.0, 99.9, 100.0)] == [0.0, 0.0, 1.0, 4.0, 4.0]


class Bare(Network):
    """Neurons without norms, synapses with a bias; what feeds the first neurons may be read by something else too."""

    def __init__(self, neuron, shared=False):
        super().__init__()
        self.flatten = Flatten()
        self.first, self.second, self.third = Linear(192, 12), Linear(12, 3), Linear(12, 3)
        self.act = NormAct(12, neuron)
        self.act.norm = nn.Identity()
        self.shared = shared

    def logits(self, frames, steps):
        current = self.first(self.flatten(frames))
        fired = self.act.act(self.act.current(current), steps)
        return self.second(fired) + (self.third(current) if self.shared else 0)


def test_where_there_is_no_norm_the_synapse_is_scaled(recipe):
    network = Bare(recipe.neuron).eval()
    weight, bias = network.first.weight.detach().clone(), network.first.bias.detach().clone()
    read, shift = network.second.weight.detach().clone(), network.second.bias.detach().clone()
    (scale,) = percentiles(network, before(recipe), Calibrated()).values()
    Calibrated()(network, before(recipe))
    torch.testing.assert_close(network.first.weight.detach(), weight / scale)
    torch.testing.assert_close(network.first.bias.detach(), bias / scale)
    torch.testing.assert_close(network.second.weight.detach(), read * scale)
    torch.testing.assert_close(network.second.bias.detach(), shift)


def test_layers_whose_spikes_are_added_have_one_scale(recipe):
    """Those of a residual stage with identities; a shortcut with a convolution begins another."""
    asked = replace(recipe, model=ResNet(18, width=4), data=replace(recipe.data))
    network = built(asked)
    said = percentiles(network, before(asked), Calibrated())
    acts = {name: module for name, module in network.named_modules() if isinstance(module, NormAct)}
    first = {name: act.norm.weight.detach().clone() for name, act in acts.items()}
    Calibrated()(network, before(asked))
    factors = {name: float((act.norm.weight.detach() / first[name]).mean()) for name, act in acts.items()}
    together = ("stem_act", "stage1.0.act2", "stage1.1.act2")
    scale = max(said[name] for name in together)
    for name in together:
        assert factors[name] == pytest.approx(1 / scale, rel=1e-5)
    assert factors["stage1.0.act1"] == pytest.approx(1 / said["stage1.0.act1"], rel=1e-5)


def test_what_cannot_be_calibrated_is_refused(recipe, monkeypatch):
    graded = replace(recipe, neuron=GradedReLU())
    with pytest.raises(InputError, match=r"conv_acts\.0\.act' cannot be calibrated: it has neurons without"):
        Calibrated()(built(graded), before(graded))
    higher = replace(recipe, neuron=IF(threshold=2.0), model=ResNet(18, width=4))
    with pytest.raises(InputError, match="adds spikes to currents, which needs a threshold of 1 above rest"):
        Calibrated()(built(higher), before(higher))
    with pytest.raises(InputError, match=r"'first' cannot be calibrated: it feeds neurons, and 'third' too"):
        Calibrated()(Bare(recipe.neuron, shared=True).eval(), before(recipe))


@pytest.mark.parametrize("wrong", [{"percentile": 0.0}, {"percentile": 101.0}, {"images": 0}])
def test_impossible_numbers(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must be"):
        Calibrated(**wrong)
