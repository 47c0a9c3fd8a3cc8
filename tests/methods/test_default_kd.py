import math

import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import CrossEntropy, DefaultKD, Signals
from spikedistill.methods.default_kd import soften_power, soften_tfkd, virtual_teacher


def total(method, batch):
    student, _, labels = batch.signals()
    loss = method.total(method.losses(student, None, labels))
    loss.backward()
    return loss.item(), student.logits.grad.numpy()


def target(method, labels, classes):
    """Eq. (6), softened, one number at a time."""
    p = np.full((len(labels), classes), (1 - method.correct_prob) / (classes - 1))
    p[np.arange(len(labels)), labels] = method.correct_prob
    T = method.temperature
    powers = np.array([[x ** (1 / T) if method.soften == "power" else math.exp(x / T) for x in row] for row in p])
    return powers / powers.sum(axis=1, keepdims=True)


VARIANTS = [
    DefaultKD(),
    DefaultKD(soften="tfkd", temperature=20.0, weight=0.1),
    DefaultKD(soften_student=True, correct_prob=0.6, weight=0.95),
    DefaultKD(scale="tau_squared", temperature=3.0, weight=1.0),
    DefaultKD(correct_prob=1.0),
]


@pytest.mark.parametrize("method", VARIANTS)
def test_is_equation_7_with_its_gradient(method, oracle, draw):
    """The gradient in closed form: by mean logits, (q - p) / B, times 1 / T where the student is softened."""
    batch = draw(0)
    tau = method.temperature if method.soften_student else 1.0
    p, q = target(method, batch.labels, 7), oracle.softmax(batch.mean[0], tau)
    kl = np.mean([sum(a * math.log(a / b) for a, b in zip(*rows, strict=True) if a) for rows in zip(p, q, strict=True)])
    scale = method.temperature**2 if method.scale == "tau_squared" else 1.0
    value, gradient = total(method, batch)
    hard = oracle.cross_entropy(batch.mean, batch.labels)
    assert value == pytest.approx(method.weight * scale * kl + (1 - method.weight) * hard, rel=1e-9)
    by_mean = method.weight * scale * (q - p) / tau
    by_mean += (1 - method.weight) * (oracle.softmax(batch.mean[0]) - np.eye(7)[batch.labels])
    np.testing.assert_allclose(gradient, np.broadcast_to(by_mean / (5 * 4), gradient.shape), rtol=1e-9, atol=1e-12)


def test_the_virtual_teacher_is_a_distribution_that_is_right():
    p = virtual_teacher(torch.tensor([2, 0]), 5, 0.92)
    expected = [[0.02, 0.02, 0.92, 0.02, 0.02], [0.92, 0.02, 0.02, 0.02, 0.02]]
    torch.testing.assert_close(p, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize(
    ("soften", "temperature", "label"),
    [
        (soften_power, 1, 0.99),
        (soften_power, 4, 0.0913),
        (soften_power, 10, 0.0247),
        (soften_power, 20, 0.0157),
        (soften_tfkd, 20, 0.0105),
    ],
)
def test_what_softening_leaves_on_the_label_of_100_classes(soften, temperature, label):
    softened = soften(virtual_teacher(torch.tensor([3]), 100, 0.99), temperature)
    assert softened[0, 3].item() == pytest.approx(label, abs=5e-5)
    assert softened.sum().item() == pytest.approx(1.0)


def test_power_is_the_softmax_at_that_temperature_of_its_logits():
    p = virtual_teacher(torch.tensor([1, 4]), 6, 0.7)
    torch.testing.assert_close(soften_power(p, 3.0), (p.log() / 3.0).softmax(-1))


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_at_temperature_1_it_is_label_smoothing_up_to_a_constant(weight, draw):
    batch = draw(1)
    method = DefaultKD(weight, correct_prob=0.9, temperature=1.0)
    epsilon = weight * 0.1
    value, gradient = total(method, batch)
    smoothed, its_gradient = total(CrossEntropy(label_smoothing=epsilon * 7 / 6), batch)
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1 / 6))
    assert value == pytest.approx(smoothed - weight * entropy, rel=1e-9)
    np.testing.assert_allclose(gradient, its_gradient, rtol=1e-9, atol=1e-12)


def test_it_is_0_where_the_student_says_what_the_virtual_teacher_says():
    labels = torch.tensor([0, 2])
    logits = virtual_teacher(labels, 3, 0.8).double().log().expand(4, -1, -1)
    losses = DefaultKD(1.0, 0.8, temperature=1.0).losses(Signals(logits), None, labels)
    assert losses.keys() == {"virtual_kl"}
    assert losses["virtual_kl"].item() == pytest.approx(0.0, abs=1e-12)


def test_a_term_without_weight_is_left_out(draw):
    signals = draw(2).signals()
    assert list(DefaultKD(weight=0.0).losses(*signals)) == ["cross_entropy"]
    assert list(DefaultKD(weight=1.0).losses(*signals)) == ["virtual_kl"]


def test_a_virtual_teacher_that_is_wrong_is_refused(draw):
    signals = draw(3).signals()
    with pytest.raises(InputError, match=r"correct_prob is 0.14, less than chance for 7 classes.*Take 0.143 or more"):
        DefaultKD(correct_prob=0.14).losses(*signals)
    assert DefaultKD(correct_prob=1 / 7).losses(*signals)


@pytest.mark.parametrize(
    "wrong",
    [
        {"weight": 1.1},
        {"correct_prob": -0.1},
        {"correct_prob": float("nan")},
        {"temperature": 0.0},
        {"label_smoothing": 2.0},
    ],
)
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        DefaultKD(**wrong)
