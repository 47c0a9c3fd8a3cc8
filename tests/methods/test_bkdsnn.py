import math

import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import BKDSNN, Side, Signals
from spikedistill.methods.bkdsnn import weighted_soft_labels
from spikedistill.randomness import Draws


def side(draw, steps, channels, size=3):
    """Two stages, of which the first is not looked at."""
    taps = {"first": torch.tensor(draw.normal(size=(steps, 4, 2, 6, 6)))}
    taps["last"] = torch.tensor(draw.normal(size=(steps, 4, channels, size, size)))
    return Side(None, Signals(torch.tensor(draw.normal(0.0, 3.0, (steps, 4, 7)), requires_grad=True), taps))


def example(method, channels=5, wide=6):
    draw = np.random.default_rng(0)
    student, teacher = side(draw, 3, channels), side(draw, 1, wide)
    torch.manual_seed(0)
    labels, draws = torch.tensor([0, 6, 2, 2]), Draws(5, 1, torch.tensor([7, 1, 100, 3]))
    return student, teacher, labels, draws, method.build(student, teacher).double()


def conv(x, layer):
    """A convolution with padding, one pixel of the kernel at a time."""
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    k = weight.shape[-1]
    padded = np.pad(x, ((0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    height, width = x.shape[2:]
    y = np.zeros((len(x), len(weight), height, width)) + bias[:, None, None]
    for i in range(k):
        for j in range(k):
            y += np.einsum("dc,bchw->bdhw", weight[:, :, i, j], padded[:, :, i : i + height, j : j + width])
    return y


@pytest.mark.parametrize("rescale", ["none", "maximum"])
@pytest.mark.parametrize("channels", [5, 6])
def test_features_are_restored_from_what_is_left_of_the_students(channels, rescale):
    method = BKDSNN(blur=0.4, rescale=rescale)
    student, teacher, labels, draws, module = example(method, channels)
    ours = student.signals.taps["last"].mean(0).numpy()
    ours = ours if channels == 6 else conv(ours, module.align)
    target = teacher.signals.taps["last"][0].numpy()
    target = target if rescale == "none" else target / target.max() * ours.max()
    kept = draws.uniform("bkdsnn", 6).numpy() >= 0.4
    assert 0 < kept.sum() < kept.size
    restored = conv(np.maximum(conv(ours * kept[:, :, None, None], module.restore[0]), 0), module.restore[2])
    losses = module(student.signals, teacher.signals, labels, draws)
    assert losses["feature"].item() == pytest.approx(((restored - target) ** 2).sum() / 4, rel=1e-9)


def soft_labels(teacher, student, labels, tau):
    """One sample at a time; the weights are numbers."""
    total, weights = 0.0, []
    for p, q, y in zip(teacher, student, labels, strict=True):
        ce_t, ce_s = (math.log(sum(math.exp(x) for x in z)) - z[y] for z in (p, q))
        weights.append(1 - math.exp(-ce_s / (ce_t + 1e-7)))
        soft = np.exp(p / tau) / np.exp(p / tau).sum()
        total -= weights[-1] * sum(soft * np.log(np.exp(q / tau) / np.exp(q / tau).sum())) / len(labels)
    return total, weights, tau


def test_soft_labels_are_weighted_and_the_weights_have_no_gradient(oracle):
    draw = np.random.default_rng(1)
    t, s = draw.normal(0.0, 2.0, (2, 4, 7))
    labels = np.array([0, 6, 2, 2])
    student = torch.tensor(s, requires_grad=True)
    loss = weighted_soft_labels(torch.tensor(t)[None], student[None], torch.tensor(labels), 2.0)
    loss.backward()
    expected, weights, _ = soft_labels(t, s, labels, 2.0)
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    slope = np.array(weights)[:, None] * (oracle.softmax(s, 2.0) - oracle.softmax(t, 2.0)) / 2.0 / 4
    np.testing.assert_allclose(student.grad.numpy(), slope, rtol=1e-9, atol=1e-12)


def test_is_the_weighted_sum_on_means_over_time(oracle):
    method = BKDSNN(alpha=0.5, soft_weight=3.0, temperature=4.0, hard_weight=0.7)
    student, teacher, labels, draws, module = example(method)
    losses = module(student.signals, teacher.signals, labels, draws)
    mean, target = (one.signals.logits.detach().numpy().mean(0) for one in (student, teacher))
    hard = oracle.cross_entropy(mean[None], labels.numpy())
    soft, *_ = soft_labels(target, mean, labels.numpy(), 4.0)
    expected = 0.7 * hard + 0.5 * losses["feature"].item() + 3.0 * 16.0 * soft
    assert method.total(losses).item() == pytest.approx(expected, rel=1e-9)


def test_shapes_that_cannot_be_matched_are_refused():
    student, teacher, *_ = example(BKDSNN())
    student.signals.taps["last"] = torch.randn(3, 4, 10, 6)  # tokens
    with pytest.raises(InputError, match=r"student's activation 'last' is \[3, 4, 10, 6\]; a connector matches"):
        BKDSNN().build(student, teacher)


def test_masks_are_drawn_by_sample_and_epoch():
    method = BKDSNN(blur=0.5)
    student, teacher, labels, draws, module = example(method)
    one = module(student.signals, teacher.signals, labels, draws)["feature"]
    again = module(student.signals, teacher.signals, labels, draws)["feature"]
    later = module(student.signals, teacher.signals, labels, Draws(5, 2, draws.index))["feature"]
    assert one == again != later


def test_a_term_without_weight_is_left_out():
    student, teacher, labels, draws, module = example(BKDSNN(hard_weight=0.0, soft_weight=0.0))
    assert list(module(student.signals, teacher.signals, labels, draws)) == ["feature"]


@pytest.mark.parametrize("wrong", [{"blur": 1.5}, {"alpha": -1.0}, {"temperature": 0.0}, {"hard_weight": -1.0}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        BKDSNN(**wrong)
