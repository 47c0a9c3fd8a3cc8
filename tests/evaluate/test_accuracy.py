"""Accuracy per step and cumulatively, against NumPy."""

import numpy as np
import pytest
import torch
from torch import nn

from spikedistill.data.normalise import normalise
from spikedistill.evaluate.accuracy import accuracy
from spikedistill.models import ConvNet
from spikedistill.neurons import IF, LIF, PLIF, ReLU


@pytest.fixture
def test_split(stripes):
    return stripes().load().test


class Given(nn.Module):
    """Logits from a table: image k has the mean that tells its row."""

    def __init__(self, table):
        super().__init__()
        self.table, self.at, self.modes = table, 0, []

    def forward(self, images, steps):
        self.modes.append(self.training)
        rows = self.table[:steps, self.at : self.at + len(images)]
        self.at += len(images)
        return rows


@pytest.mark.parametrize("batch_size", [7, 60, 500])
def test_against_numpy(stripes, test_split, batch_size):
    table = np.random.default_rng(0).normal(size=(5, 60, 3)).astype(np.float32)
    labels = test_split.labels.numpy()
    got = accuracy(Given(torch.from_numpy(table)), test_split, stripes(), 5, batch_size=batch_size)
    alone = [float(np.mean(table[t].argmax(-1) == labels)) for t in range(5)]
    together = [float(np.mean(table[: t + 1].mean(0).argmax(-1) == labels)) for t in range(5)]
    assert got.by_step == pytest.approx(alone)
    assert got.cumulative == pytest.approx(together)
    assert got.final == got.cumulative[-1]
    assert alone != together


@pytest.mark.parametrize("neuron", [IF(), LIF(), PLIF()])
def test_cumulative_at_t_is_a_run_of_t_steps(stripes, test_split, neuron):
    torch.manual_seed(0)
    network = ConvNet((8,), (16,)).build((3, 8, 8), 3, neuron)
    network(normalise(test_split.images, stripes().mean, stripes().std), 4)  # statistics for the norms
    whole = accuracy(network, test_split, stripes(), 6)
    for t in range(1, 7):
        assert accuracy(network, test_split, stripes(), t).final == whole.cumulative[t - 1]
        assert accuracy(network, test_split, stripes(), t).by_step == whole.by_step[:t]


def test_an_ann_has_one_step(stripes, test_split):
    network = ConvNet((4,), (4,)).build((3, 8, 8), 3, ReLU())
    assert len(accuracy(network, test_split, stripes(), 6).by_step) == 1


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_evaluated_and_left_as_it_was(stripes, test_split, training):
    network = ConvNet((4,), (4,)).build((3, 8, 8), 3, IF()).train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    accuracy(network, test_split, stripes(), 2)
    assert network.training is training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    given = Given(torch.zeros(2, 60, 3)).train(training)
    accuracy(given, test_split, stripes(), 2)
    assert given.modes == [False]
