"""Points of a plane against scikit-learn's own judges, and which layer's input a classifier reads."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors
from torch import nn

from spikedistill.errors import InputError
from spikedistill.evaluate.features import classifiers_input, embedded, same_class
from spikedistill.models import MLP, ConvNet, ResNet
from spikedistill.neurons import IF, ReLU


def clusters(number, size=7):
    labels = np.arange(number) % 3
    noise = np.random.default_rng(0).normal(size=(number, size))
    return torch.from_numpy(noise + 12 * np.eye(3, size)[labels]).float(), labels


@pytest.mark.parametrize(("number", "perplexity"), [(120, 30.0), (91, 30.0), (40, 13.0), (6, 5 / 3)])
def test_neighbours_stay_neighbours(number, perplexity):
    features, labels = clusters(number)
    points, taken = embedded(features)
    assert taken == pytest.approx(perplexity)
    assert points.shape == (number, 2)
    assert np.isfinite(points).all()
    if number >= 40:
        assert trustworthiness(features, points, n_neighbors=5) > 0.85
        assert same_class(points, labels) > 0.99
    again, _ = embedded(features)
    assert np.array_equal(points, again)


def test_threads_change_nothing():
    """Sums of several threads differ in their last bits, and t-SNE makes other pictures of that."""
    script = (
        "import torch; from spikedistill.evaluate.features import embedded;"
        "x = torch.randn(64, 9, generator=torch.Generator().manual_seed(0)); print(embedded(x)[0].tobytes().hex())"
    )
    drawn = [
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for threads in ("1", "5")
    ]
    assert len(drawn[0]) > 64 * 2 * 16
    assert drawn[0] == drawn[1]


def test_shares_of_neighbours():
    """As another search finds them."""
    draw = np.random.default_rng(1)
    points, labels = draw.normal(size=(50, 2)), draw.integers(0, 4, 50)
    nearest = NearestNeighbors(n_neighbors=10).fit(points).kneighbors(return_distance=False)
    assert same_class(points, labels) == pytest.approx((labels[nearest] == labels[:, None]).mean())
    assert same_class(points[:6], np.zeros(6, dtype=int)) == 1.0, "of fewer points all others"


def test_what_cannot_be_placed():
    for features, said in (
        (torch.rand(4, 3), "4 are too few. Take 5 or more"),
        (torch.ones(20, 3), "the same for all images"),
        (torch.full((20, 3), torch.nan), "not finite"),
    ):
        with pytest.raises(InputError, match=said):
            embedded(features)
    points, _ = embedded(torch.arange(20).float()[:, None])
    assert points.shape == (20, 2), "a layer of one number"


@pytest.mark.parametrize("neuron", [IF(), ReLU()])
def test_the_last_layer_of_synapses(neuron):
    images = torch.rand(2, 3, 32, 32)
    for model, path in (
        (MLP((5, 4)), "synapses.2.input"),
        (MLP((5,), readout="neuron"), "synapses.1.input"),
        (ConvNet((4,), (8,)), "head.input"),
        (ResNet(), "head.input"),
    ):
        network = model.build((3, 32, 32), 10, neuron).eval()
        assert classifiers_input(network, lambda net=network: net(images, 2)) == path
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert classifiers_input(plain, lambda: plain(images)) == "0.input"
    with pytest.raises(InputError, match="no convolution or linear layer at its end"):
        classifiers_input(nn.Flatten(), lambda: None)
