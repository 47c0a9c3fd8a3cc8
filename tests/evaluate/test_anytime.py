"""Early exit against a loop over images, and what one pass of T steps says of runs of fewer."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from torch import nn

from spikedistill.evaluate.activity import observe
from spikedistill.evaluate.anytime import early_exit, shown_steps
from spikedistill.evaluate.operations import exact
from spikedistill.models import MLP, VGG, WRN, CifarResNet, ConvNet, PyramidNet, ResNet, SEWResNet
from spikedistill.neurons import IF, LIF, GradedReLU, ReLU
from spikedistill.neurons.norm import Norm

NETWORKS = {
    "mlp": (MLP((12,)), IF()),
    "convnet": (ConvNet((4, 6), (8,)), LIF()),
    "graded": (ConvNet((4,), (8,)), GradedReLU()),
    "vgg, average pools": (VGG(11, "avg", hidden=(), width=3), IF()),
    "wrn": (WRN(10, 1), IF()),
    "resnet": (ResNet(18, width=2), LIF()),
    "cifar-resnet": (CifarResNet(8, width=4), IF()),
    "sew": (SEWResNet(18, width=2), IF()),
    "pyramidnet": (PyramidNet((1, 2), stem=4, widen=6), IF()),
}


def lively(model, neuron, shape=(2, 16, 16), images=4):
    """A network in which neurons fire, and images."""
    torch.manual_seed(0)
    network, x = model.build(shape, 5, neuron), torch.randn(images, *shape)
    for module in network.modules():
        if isinstance(module, Norm):
            module.momentum = 1.0
            nn.init.uniform_(module.bias, 0.1, 0.4)
    with torch.no_grad():
        network.train()(x, 3)
    return network.eval(), x


@pytest.mark.parametrize("name", NETWORKS)
def test_the_first_steps_of_a_run_are_a_shorter_run(name):
    """Logits, and what is counted: what is read once is in the first step."""
    network, x = lively(*NETWORKS[name])
    with torch.no_grad():
        whole = network(x, 4)
        assert len(set(whole.flatten(1).norm(dim=1).tolist())) > 1, "steps differ"
        counted = exact(observe(network, [x], 4))
        for t in (1, 3):
            torch.testing.assert_close(network(x, t), whole[:t])
            alone = exact(observe(network, [x], t))
            assert counted.up_to(t) == (pytest.approx(alone.acs), pytest.approx(alone.macs))
    assert counted.up_to(4) == (counted.acs, counted.macs)
    assert sum(counted.up_to(1)) < counted.acs + counted.macs


def test_frames():
    network, _ = lively(ConvNet((4,), (8,)), IF())
    frames = torch.randint(0, 3, (5, 4, 2, 16, 16)).float()
    with torch.no_grad():
        torch.testing.assert_close(network(frames[:2], 2), network(frames, 5)[:2])
    counted = exact(observe(network, [frames], 5, given=1.0))
    alone = exact(observe(network, [frames[:2]], 2, given=1.0))
    assert counted.up_to(2) == (pytest.approx(alone.acs), 0)


def test_an_ann_has_one_step():
    network, x = lively(ConvNet((4,), (8,)), ReLU())
    counted = exact(observe(network, [x], 4))
    assert counted.up_to(1) == (counted.acs, counted.macs)


@given(st.integers(0, 2**31), st.sampled_from([1, 2, 6]), st.sampled_from([1, 40, 700]), st.sampled_from([2, 12]))
def test_early_exit_against_a_loop(seed, steps, images, classes):
    draw = np.random.default_rng(seed)
    table = (draw.normal(size=(steps, images, classes)) * 128).round() / 64  # sums are exact in float32
    labels = draw.integers(0, classes, images)
    thresholds = (0.0, 0.6, 0.9, 0.999)
    found = early_exit(torch.from_numpy(table.astype(np.float32)), torch.from_numpy(labels), thresholds)
    for one, threshold in zip(found, thresholds, strict=True):
        right = taken = 0
        for n in range(images):
            for t in range(1, steps + 1):
                shares = softmax(table[:t, n].sum(0) / t)
                if shares.max() >= threshold or t == steps:
                    break
            taken += t
            right += shares.argmax() == labels[n]
        assert one.threshold == threshold
        assert one.accuracy == pytest.approx(right / images)
        assert one.steps == pytest.approx(taken / images)
        assert sum(one.stopped) == pytest.approx(1)


def test_a_threshold_that_nothing_reaches():
    found = early_exit(torch.zeros(4, 10, 5), torch.zeros(10, dtype=torch.long))
    assert [one.steps for one in found] == [1.0] + [4.0] * 12, "a confidence of 0.2"
    assert found[-1].stopped == (0.0, 0.0, 0.0, 1.0)


def test_the_last_step_needs_no_confidence():
    logits = torch.tensor([[[0.0, 0.1]], [[3.0, 0.0]]])
    (never,) = early_exit(logits, torch.tensor([0]), (0.99,))
    assert (never.accuracy, never.steps) == (1.0, 2.0)
    (at_once,) = early_exit(logits, torch.tensor([0]), (0.5,))
    assert (at_once.accuracy, at_once.steps) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        (1, [1]),
        (4, [1, 2, 3, 4]),
        (16, list(range(1, 17))),
        (17, [1, 2, 4, 8, 16, 17]),
        (100, [1, 2, 4, 8, 16, 32, 64, 100]),
        (128, [1, 2, 4, 8, 16, 32, 64, 128]),
    ],
)
def test_which_steps_are_shown(steps, shown):
    assert shown_steps(steps) == shown
