"""Attacks: closed forms of linear networks, backpropagation through time by hand, and the ball that they stay in."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from spikedistill.errors import InputError
from spikedistill.evaluate.attacks import fgsm, gradient, pgd, without_weights
from spikedistill.models import MLP, ConvNet
from spikedistill.neurons import IF, LIF
from spikedistill.neurons.surrogate import ATan, Sigmoid
from spikedistill.randomness import Draws

DRAWS = Draws(0, 0, torch.arange(5) + 30)
LABELS = torch.tensor([0, 2, 1, 2, 0])


@pytest.fixture
def pixels():
    return torch.rand(5, 2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def linear():
    return torch.randn(3, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_a_linear_network_in_closed_form(pixels, linear):
    """d CE / d x = W' (p - y), whatever the batch; FGSM goes its signs."""
    w, x = linear.numpy(), pixels.flatten(1).numpy()
    wanted = (softmax(x @ w.T) - np.eye(3)[LABELS]) @ w

    def answer(images):
        return (images.flatten(1) @ linear.T).expand(4, -1, -1)

    found = gradient(answer, pixels, LABELS)
    assert np.allclose(found.flatten(1).numpy(), wanted, rtol=1e-12)
    assert torch.allclose(gradient(answer, pixels[3:4], LABELS[3:4]), found[3:4], rtol=1e-12)
    for epsilon in (0.03, 0.5):
        moved = fgsm(pixels, found, epsilon).flatten(1).numpy()
        assert np.allclose(moved, np.clip(x + epsilon * np.sign(wanted), 0, 1), rtol=1e-12)
    two = linear[:2]  # of two classes the signs are those of the weights' difference, and PGD ends in a corner
    labels = LABELS.clamp_max(1)
    ends = pgd(lambda images: (images.flatten(1) @ two.T)[None], pixels, labels, 0.1, DRAWS)
    away = np.where(labels.numpy()[:, None] == 0, 1, -1) * np.sign(w[1] - w[0])
    assert np.allclose(ends.flatten(1).numpy(), np.clip(x + 0.1 * away, 0, 1), rtol=1e-12)


def test_pgd_step_by_step(pixels, linear):
    """Another implementation, in NumPy, from the same starts."""
    w, x, epsilon = linear.numpy(), pixels.flatten(1).numpy(), 0.2
    start = DRAWS.uniform("pgd-start", 2, 3, 4).flatten(1).double().numpy()
    at = np.clip(np.clip(x + epsilon * (2 * start - 1), x - epsilon, x + epsilon), 0, 1)
    for _ in range(10):
        at = at + 2.5 * epsilon / 10 * np.sign((softmax(at @ w.T) - np.eye(3)[LABELS]) @ w)
        at = np.clip(np.minimum(np.maximum(at, x - epsilon), x + epsilon), 0, 1)
    found = pgd(lambda images: (images.flatten(1) @ linear.T)[None], pixels, LABELS, epsilon, DRAWS)
    assert np.allclose(found.flatten(1).numpy(), at, atol=1e-12)


@pytest.mark.parametrize("epsilon", [2 / 255, 0.3])
def test_pgd_stays_in_the_ball_and_only_climbs(pixels, linear, epsilon):
    """The loss of a linear network is convex in the pixels: a clipped step along signs of its gradient raises it."""
    at = []

    def answer(images):
        at.append(images.detach())
        return (images.flatten(1) @ linear.T)[None]

    end = pgd(answer, pixels, LABELS, epsilon, DRAWS)
    at.append(end)
    assert len(at) == 11
    losses = [nn.functional.cross_entropy(x.flatten(1) @ linear.T, LABELS, reduction="none") for x in at]
    for one, later in pairwise(losses):
        assert (later >= one - 1e-12).all()
    for x in at:
        assert ((x - pixels).abs() <= epsilon + 1e-12).all()
        assert x.min() >= 0
        assert x.max() <= 1
    assert not torch.equal(at[0], pixels)
    alone = pgd(answer, pixels[2:3], LABELS[2:3], epsilon, Draws(0, 0, DRAWS.index[2:3]))
    assert torch.allclose(alone, end[2:3], atol=1e-12), "a start is the image's own"


@pytest.mark.parametrize("neuron", [IF(surrogate=Sigmoid(3.0)), LIF(surrogate=ATan(1.5), detach_reset=False)])
def test_the_surrogate_through_time_by_hand(neuron):
    """Two layers, T = 3: charge, fire, hard reset, and all derivatives written out in NumPy."""
    torch.manual_seed(0)
    network = MLP((6,)).build((1, 3, 3), 4, neuron).double().eval()
    norm = network.acts[0].norm
    norm.running_mean.normal_(0.0, 0.1)
    norm.running_var.uniform_(0.02, 0.1)
    x = torch.rand(7, 1, 3, 3, dtype=torch.float64)
    labels = torch.arange(7) % 4
    found = gradient(lambda images: network(images, 3), x, labels).flatten(1).numpy()

    first, last = network.synapses
    w1, w2, b2 = (value.detach().numpy() for value in (first.weight, last.weight, last.bias))
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().numpy()
    shift = (norm.bias - norm.running_mean * torch.from_numpy(scale)).detach().numpy()
    current = x.flatten(1).numpy() @ w1.T * scale + shift
    lif = isinstance(neuron, LIF)
    leak, gain = (1 - 1 / neuron.tau, 1 / neuron.tau) if lif else (1.0, 1.0)
    v, h, s = np.zeros_like(current), [], []
    for _ in range(3):
        h.append(leak * v + gain * current)
        s.append((h[-1] >= neuron.threshold).astype(float))
        v = (1 - s[-1]) * h[-1]
    probability = softmax(sum(spikes @ w2.T + b2 for spikes in s) / 3)
    by_spikes = (probability - np.eye(4)[labels]) @ w2 / 3
    a = neuron.surrogate.alpha

    def slope(u):
        if lif:
            return a / 2 / (1 + (np.pi / 2 * a * u) ** 2)
        return a * np.exp(-a * u) / (1 + np.exp(-a * u)) ** 2

    by_v, by_current = np.zeros_like(current), np.zeros_like(current)
    for t in (2, 1, 0):
        by_s = by_spikes - (0 if neuron.detach_reset else by_v * h[t])
        by_h = by_s * slope(h[t] - neuron.threshold) + by_v * (1 - s[t])
        by_current += gain * by_h
        by_v = leak * by_h
    wanted = by_current * scale @ w1
    assert 0 < np.mean(s) < 1
    assert np.allclose(found, wanted, rtol=1e-9, atol=1e-15)


@pytest.mark.usefixtures("cpu_kernels")
def test_kernels_give_the_gradient_of_the_definition():
    torch.manual_seed(0)
    network = ConvNet((8, 8), (12,)).build((2, 8, 8), 5, IF()).eval()
    x, labels = torch.rand(6, 2, 8, 8), torch.arange(6) % 5
    with without_weights(network):
        fast = gradient(lambda images: network(images, 4), x, labels)
    slow = gradient(lambda images: network.double()(images, 4), x.double(), labels)
    assert fast.abs().max() > 0
    assert torch.allclose(fast.double(), slow, rtol=1e-3, atol=1e-5 * float(slow.abs().max()))


def test_weights_take_no_part():
    network = nn.Linear(3, 2)
    network.bias.requires_grad_(False)
    with without_weights(network):
        assert not network.weight.requires_grad
    assert network.weight.requires_grad
    assert not network.bias.requires_grad
    with torch.no_grad():
        found = gradient(lambda x: network(x.flatten(1))[None], torch.rand(2, 1, 1, 3), torch.tensor([0, 1]))
    assert found.any()
    assert network.weight.grad is None


@pytest.mark.parametrize(
    "answer", [lambda x: x.detach().mean((2, 3))[None], lambda x: torch.ones(1, 5, 2) * nn.Parameter(torch.ones(2))]
)
def test_no_gradient_is_said(answer, pixels):
    with pytest.raises(InputError, match="no gradient by its images"):
        gradient(answer, pixels, LABELS.clamp_max(1))
