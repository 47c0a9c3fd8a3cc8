"""Norm statistics estimated anew: the definition in NumPy, what is put back, and what it is good for."""

import numpy as np
import pytest
import torch
from torch import nn

from spikedistill.data.normalise import normalise
from spikedistill.errors import InputError
from spikedistill.evaluate.accuracy import accuracy
from spikedistill.evaluate.norms import norms_of, reestimate, reestimated
from spikedistill.models import WRN, ConvNet
from spikedistill.neurons import IF, ReLU


@pytest.fixture
def data(stripes):
    return stripes()


def built(data, model=None, neuron=None):
    torch.manual_seed(0)
    return (model or ConvNet((4, 5), (8,))).build(data.shape, data.classes, neuron or IF())


def batches(data, size=20, count=3):
    return [batch for batch, _ in zip(data.load().train.in_order(size), range(count), strict=False)]


def entering(network, norm, data, batch, steps):
    """What enters a norm when all norms read their own batch, as rows of channels in float64."""
    seen = []
    handle = norm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    for one in norms_of(network):
        one.train()
    with torch.no_grad():
        network(normalise(batch.images, data.mean, data.std), steps)
    handle.remove()
    x = seen[0].double().transpose(0, 1)  # [B, T, C, ...]
    return x.movedim(2, -1).reshape(-1, x.shape[2]).numpy()


@pytest.mark.parametrize("steps", [1, 4])
def test_they_are_means_of_the_batches_means_and_variances(data, steps):
    """The deepest norm too: it sees what the others' batch statistics make of the images."""
    network, asked = built(data), built(data)
    used = batches(data)
    reestimate(network, iter(used), data, steps)
    for norm, twin in zip(norms_of(network), norms_of(asked), strict=True):
        rows = [entering(asked, twin, data, batch, steps) for batch in used]
        mean = np.mean([one.mean(0) for one in rows], 0)
        var = np.mean([one.var(0, ddof=1) for one in rows], 0)
        np.testing.assert_allclose(norm.running_mean.double(), mean, rtol=1e-4, atol=1e-6)
        # a static input [1, B, ...] has n / (n - 1) of its own n
        np.testing.assert_allclose(norm.running_var.double(), var, rtol=2e-3, atol=1e-6)


def test_nothing_else_changes_and_modes_and_momenta_are_put_back(data):
    network = built(data)
    network.train()
    network.conv_acts[0].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    reestimate(network, batches(data), data, 2)
    assert [module.training for module in network.modules()] == modes
    assert {norm.momentum for norm in norms_of(network)} == {0.1}
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if "running" in name}


def test_within_the_context_and_not_after_it(data):
    network = built(data, WRN(10, 1))
    before = {name: value.clone() for name, value in network.state_dict().items()}

    def fail():
        with reestimated(network, batches(data), data, 3):
            assert not torch.equal(network.act.norm.running_var, before["act.norm.running_var"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Foreign(nn.Module):
    """A module with torch's own norm, dropout, and a norm without statistics."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.free = nn.BatchNorm2d(3, track_running_stats=False)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(192, 3)
        self.seen = []

    def forward(self, images, steps):
        x = self.norm(images)
        self.seen.append(torch.equal(self.drop(x), x))
        return self.head(x.flatten(1)).expand(steps, -1, -1)


def test_torchs_norms_too_and_nothing_is_drawn(data):
    network = Foreign()
    used = batches(data)
    reestimate(network, used, data, 2)
    assert network.seen == [True] * 3
    pixels = [normalise(batch.images, data.mean, data.std).double().movedim(1, -1).reshape(-1, 3) for batch in used]
    mean = np.mean([rows.numpy().mean(0) for rows in pixels], 0)
    np.testing.assert_allclose(network.norm.running_mean.double(), mean, rtol=1e-4, atol=1e-6)
    assert network.norm.momentum == 0.1


def test_statistics_of_another_network_are_repaired(data):
    """Of a trained ANN whose statistics are lost, all of the accuracy comes back."""
    network = built(data, ConvNet((8,), (16,)), ReLU())
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    train = data.load().train
    for _ in range(40):
        logits = network(normalise(train.first(120), data.mean, data.std))[0]
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits, train.labels).backward()
        optimizer.step()
    for norm in norms_of(network):
        norm.running_mean.fill_(3.0)
    lost = accuracy(network, train, data, 1).final
    reestimate(network, [next(train.in_order(120))], data, 1)
    assert lost < 0.6 < 0.95 < accuracy(network, train, data, 1).final


def test_where_there_is_nothing_to_estimate(data):
    with pytest.raises(InputError, match="no norms with running statistics"):
        reestimate(nn.Linear(2, 2), batches(data), data, 1)
    with pytest.raises(InputError, match="there are none"):
        reestimate(built(data), [], data, 1)
