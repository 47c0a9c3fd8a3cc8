import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from spikedistill.errors import InputError
from spikedistill.methods import Signals
from spikedistill.methods.divergences import (
    cross_entropy,
    entropy,
    kl_divergence,
    mean_logits,
    mean_probabilities,
    soft_cross_entropy,
    target_logits,
)

shapes = given(
    seed=st.integers(0, 2**32 - 1),
    T=st.integers(1, 6),
    B=st.integers(1, 5),
    K=st.integers(2, 12),
    tau=st.floats(0.5, 20.0),
)
quickly = settings(max_examples=40, deadline=None)


def close(actual, expected):
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def test_kl_has_the_value_and_the_direction_of_the_definition():
    teacher = torch.tensor([0.75, 0.25]).log().view(1, 1, 2)
    student = torch.tensor([0.5, 0.5]).log().view(1, 1, 2)
    forward = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    backward = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert abs(forward - backward) > 0.01
    assert kl_divergence(teacher, student).item() == pytest.approx(forward, rel=1e-6)


@shapes
@quickly
def test_every_function_is_its_definition(oracle, draw, seed, T, B, K, tau):
    batch = draw(seed, T, B, K)
    z, taught, labels = torch.tensor(batch.student), torch.tensor(batch.teacher), torch.tensor(batch.labels)
    kl = oracle.kl(batch.target, batch.student, tau)
    close(kl_divergence(taught, z, tau), kl)
    close(soft_cross_entropy(taught, z, tau), kl + oracle.entropy(batch.target, tau))
    close(cross_entropy(z, labels), oracle.cross_entropy(batch.student, batch.labels))
    close(entropy(z, tau), oracle.entropy(batch.student, tau))
    close(mean_logits(z), batch.mean)
    mixture = oracle.softmax(batch.student, tau).mean(axis=0, keepdims=True)
    close((mean_probabilities(z, tau) / tau).exp(), mixture)


@shapes
@quickly
def test_the_loss_of_the_mean_is_below_the_mean_of_the_losses(draw, seed, T, B, K, tau):
    """Both are convex in the student's logits."""
    batch = draw(seed, T, B, K)
    z, taught, labels = torch.tensor(batch.student), torch.tensor(batch.teacher), torch.tensor(batch.labels)
    slack = 1e-12
    assert cross_entropy(mean_logits(z), labels) <= cross_entropy(z, labels) + slack
    assert kl_divergence(taught, mean_logits(z), tau) >= -slack
    assert kl_divergence(taught, mean_logits(z), tau) <= kl_divergence(taught, z, tau) + slack


def test_kl_is_zero_for_the_same_distribution_only():
    z = torch.randn(1, 4, 6, dtype=torch.float64)
    assert kl_divergence(z, z + 3.0, 2.0).abs() < 1e-15
    assert kl_divergence(z, z.flip(-1), 2.0) > 0.01


def test_entropy_lies_between_certainty_and_uniform():
    assert entropy(torch.zeros(2, 3, 10)).item() == pytest.approx(math.log(10), rel=1e-6)
    assert entropy(torch.eye(10).expand(2, 10, 10) * 1e4).item() == 0.0


def kl_gradient(batch, tau):
    z = torch.tensor(batch.student, requires_grad=True)
    kl_divergence(torch.tensor(batch.teacher), z, tau).backward()
    return z.grad.numpy()


def test_gradient_of_kl(oracle, draw):
    """(q(t) - p) / (tau T B) for each step and sample."""
    batch, tau = draw(0), 3.0
    expected = (oracle.softmax(batch.student, tau) - oracle.softmax(batch.target, tau)) / (tau * 4 * 5)
    np.testing.assert_allclose(kl_gradient(batch, tau), expected, rtol=1e-9)


def test_tau_squared_keeps_the_size_of_the_gradient(draw):
    """For large tau, tau^2 times the gradient is the difference of the centred logits over K T B."""
    batch = draw(1)
    limit = batch.student - batch.student.mean(-1, keepdims=True)
    limit = (limit - (batch.target - batch.target.mean(-1, keepdims=True))) / (7 * 4 * 5)
    np.testing.assert_allclose(kl_gradient(batch, 1e4) * 1e8, limit, rtol=1e-2, atol=1e-5)
    sizes = {tau: tau**2 * np.linalg.norm(kl_gradient(batch, tau)) for tau in (50.0, 500.0)}
    assert sizes[50.0] == pytest.approx(sizes[500.0], rel=0.1)
    assert np.linalg.norm(kl_gradient(batch, 50.0)) > 50 * np.linalg.norm(kl_gradient(batch, 500.0))


@pytest.mark.parametrize("narrow", [torch.bfloat16, torch.float16])
def test_narrow_logits_are_computed_in_32_bits(narrow):
    z, taught = torch.randn(50, 4, 10).mul(5).to(narrow), torch.randn(1, 4, 10).mul(5).to(narrow)
    labels = torch.tensor([0, 3, 9, 3])
    for function in (
        lambda z, taught: cross_entropy(mean_logits(z), labels),
        lambda z, taught: cross_entropy(mean_probabilities(z), labels),
        lambda z, taught: kl_divergence(taught, z, 3.0),
        lambda z, taught: soft_cross_entropy(taught, z, 3.0),
        lambda z, taught: entropy(z),
        lambda z, taught: target_logits(Signals(z), Signals(taught)).sum(),
    ):
        value = function(z, taught)
        assert value.dtype == torch.float32
        assert torch.equal(value, function(z.float(), taught.float()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_large_logits_stay_finite(dtype):
    z = (torch.eye(4).expand(3, 4, 4) * 1e4).to(dtype).clone().requires_grad_()
    taught, labels = -z[:1].detach(), torch.tensor([1, 0, 3, 2])
    total = (
        cross_entropy(z, labels)
        + cross_entropy(mean_probabilities(z), labels)
        + kl_divergence(taught, z)
        + soft_cross_entropy(taught, z)
        + entropy(z)
    )
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(z.grad).all()
    assert z.grad.abs().sum() > 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("index", [torch.int64, torch.int32])
def test_cross_entropy_of_a_step_is_pytorchs(smoothing, index):
    z, labels = torch.randn(3, 6, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    steps = torch.stack([F.cross_entropy(step, labels, label_smoothing=smoothing) for step in z])
    torch.testing.assert_close(cross_entropy(z, labels.to(index), smoothing), steps.mean())


def test_a_spiking_teacher_is_averaged_over_its_own_steps():
    taught = torch.randn(6, 3, 4, dtype=torch.float64)
    target = target_logits(Signals(taught), Signals(torch.randn(2, 3, 4)))
    close(target, taught.numpy().mean(axis=0, keepdims=True))


def test_teacher_and_student_of_different_classes_are_refused():
    with pytest.raises(InputError, match="teacher has 100 classes, the student 10"):
        target_logits(Signals(torch.zeros(1, 2, 100)), Signals(torch.zeros(4, 2, 10)))
