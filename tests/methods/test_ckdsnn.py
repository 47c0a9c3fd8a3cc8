import logging
import math

import numpy as np
import pytest
import torch
from torch import nn

from spikedistill.errors import InputError
from spikedistill.methods import CKDSNN, Side, Signals
from spikedistill.methods.ckdsnn import nld, normal, samd
from spikedistill.randomness import Draws


def side(draw, steps, channels, size, network=None, spikes=False):
    """Two stages, of which the first is not looked at."""
    last = draw.normal(size=(steps, 4, channels, size, size))
    taps = {"first": torch.tensor(draw.normal(size=(steps, 4, 2, 6, 6)))}
    taps["last"] = torch.tensor((last > 0).astype(np.float64) if spikes else last)
    return Side(network, Signals(torch.tensor(draw.normal(0.0, 3.0, (steps, 4, 7))), taps))


def example(method, network=None, size=3, teacher_size=6):
    draw = np.random.default_rng(0)
    student, teacher = side(draw, 3, 5, size, spikes=True), side(draw, 1, 6, teacher_size, network)
    labels, draws = torch.tensor([0, 6, 2, 2]), Draws(5, 1, torch.tensor([7, 1, 100, 3]))
    return student, teacher, labels, draws, method.build(student, teacher).double()


def kl(p, q):
    return float((p * np.log(p / q)).sum())


def maps_divergence(c, a, tau, softmax):
    c, a = ((x - x.min()) / ((x - x.min()).max() + 1e-3) for x in (c, a))
    pairs = zip(softmax(c.reshape(len(c), -1), tau), softmax(a.reshape(len(a), -1), tau), strict=True)
    return np.mean([kl(p, q) for p, q in pairs])


class Readout(nn.Module):
    """A linear layer that is not the readout, and the readout."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 6)
        self.head = nn.Linear(6, 7)


@pytest.mark.parametrize("network", [None, Readout()], ids=["sum", "cam"])
def test_samd_compares_the_class_activation_map_with_the_sum_of_spikes(oracle, network, caplog):
    with caplog.at_level(logging.WARNING, "spikedistill"):
        student, teacher, labels, draws, module = example(CKDSNN(), network)
    assert bool(caplog.records) == (network is None)
    features = teacher.signals.taps["last"][0].numpy()
    weight = np.ones((7, 6)) if network is None else network.head.weight.detach().numpy()
    predicted = teacher.signals.logits[0].numpy().argmax(-1)
    cam = np.stack([np.einsum("c,chw->hw", weight[k], x) for k, x in zip(predicted, features, strict=True)])
    cam = np.maximum(cam, 0.0).reshape(4, 3, 2, 3, 2).mean((2, 4))
    spikes = student.signals.taps["last"].numpy().sum((0, 2))
    losses = module(student.signals, teacher.signals, labels, draws)
    assert losses["samd"].item() == pytest.approx(maps_divergence(cam, spikes, 2.0, oracle.softmax), rel=1e-6)


def smoothed(t, s, epsilon, w, tau, noise, softmax):
    if noise == "added":
        q = softmax(s + w * epsilon, tau)
    else:
        n = s.mean(-1, keepdims=True) + epsilon * s.std(-1, ddof=1, keepdims=True) ** 2
        q = (1 - w) * softmax(s, tau) + w * softmax(n, tau)
    return np.mean([kl(p, each) for p, each in zip(softmax(t, tau), q, strict=True)])


@pytest.mark.parametrize("noise", ["mixed", "added"])
def test_nld_and_its_gradient_through_the_noises_statistics(oracle, noise):
    draw = np.random.default_rng(1)
    t, s, epsilon = draw.normal(size=(3, 4, 7))
    student = torch.tensor(s, requires_grad=True)
    loss = nld(torch.tensor(t)[None], student[None], torch.tensor(epsilon), 0.3, 2.0, noise)
    loss.backward()

    def expected(s):
        return smoothed(t, s, epsilon, 0.3, 2.0, noise, oracle.softmax)

    assert loss.item() == pytest.approx(expected(s), rel=1e-9)
    for place in [(0, 0), (1, 3), (3, 6)]:
        more, less = s.copy(), s.copy()
        more[place] += 1e-6
        less[place] -= 1e-6
        assert student.grad[place].item() == pytest.approx((expected(more) - expected(less)) / 2e-6, abs=1e-8)


def test_gradient_of_samd(oracle):
    draw = np.random.default_rng(2)
    c, a = draw.random((2, 3, 1, 4, 4))
    student = torch.tensor(a, requires_grad=True)
    samd(torch.tensor(c), student, 2.0).backward()
    for place in [(0, 0, 0, 0), (2, 0, 3, 1), np.unravel_index(a.argmax(), a.shape)]:
        more, less = a.copy(), a.copy()
        more[place] += 1e-6
        less[place] -= 1e-6
        slope = [maps_divergence(c[:, 0], x[:, 0], 2.0, oracle.softmax) for x in (more, less)]
        assert student.grad[place].item() == pytest.approx((slope[0] - slope[1]) / 2e-6, abs=1e-8)


def test_is_the_weighted_sum_on_means_over_time(oracle):
    method = CKDSNN(samd=0.25, nld=3.0, temperature=4.0, hard_weight=0.7)
    student, teacher, labels, draws, module = example(method)
    losses = module(student.signals, teacher.signals, labels, draws)
    mean, target = (one.signals.logits.numpy().mean(0) for one in (student, teacher))
    epsilon = normal(draws, "ckdsnn", 7).numpy()
    soft = smoothed(target, mean, epsilon, 0.1, 4.0, "mixed", oracle.softmax)
    hard = oracle.cross_entropy(mean[None], labels.numpy())
    expected = 0.7 * hard + 0.25 * 16 * losses["samd"].item() + 3.0 * 16 * soft
    assert method.total(losses).item() == pytest.approx(expected, rel=1e-6)


def test_shapes_that_cannot_be_matched_are_refused():
    student, teacher, *_ = example(CKDSNN())
    teacher.signals.taps["last"] = torch.randn(1, 4, 10, 6)  # tokens
    with pytest.raises(InputError, match=r"teacher's activation 'last' is \[1, 4, 10, 6\]; a connector matches"):
        CKDSNN().build(student, teacher)


def test_normal_numbers_are_normal():
    numbers = normal(Draws(0, 0, torch.arange(20_000)), "noise", 2)
    assert numbers.mean().item() == pytest.approx(0.0, abs=0.02)
    assert numbers.std().item() == pytest.approx(1.0, abs=0.02)
    below = (numbers < 1.0).double().mean().item()
    assert below == pytest.approx((1 + math.erf(0.5**0.5)) / 2, abs=0.01)


def test_maps_of_one_pixel_are_refused_unless_they_are_left_out():
    with pytest.raises(InputError, match="'last' and 'last' have one pixel in common"):
        example(CKDSNN(), size=1)
    student, teacher, labels, draws, module = example(CKDSNN(samd=0.0), size=1)
    assert list(module(student.signals, teacher.signals, labels, draws)) == ["cross_entropy", "nld"]


@pytest.mark.parametrize("wrong", [{"samd": -1.0}, {"noise_weight": 1.0}, {"temperature": 0.0}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        CKDSNN(**wrong)
