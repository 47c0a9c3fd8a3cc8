import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikedistill.errors import InputError
from spikedistill.methods import DKD, TET, Signals, Sum


def parts(oracle, batch, tau):
    """TCKD and NCKD in NumPy, one sample at a time, from the definitions."""
    p, q = oracle.softmax(batch.target, tau), oracle.softmax(batch.mean[0], tau)
    target, others = [], []
    for b, y in enumerate(batch.labels):
        binary = [(row[b, y], sum(np.delete(row[b], y))) for row in (p, q)]
        target.append(sum(x * math.log(x / z) for x, z in zip(*binary, strict=True)))
        rest = [np.delete(row[b], y) / sum(np.delete(row[b], y)) for row in (p, q)]
        others.append(sum(x * math.log(x / z) for x, z in zip(*rest, strict=True)))
    return np.array(target), np.array(others), np.array([p[b, y] for b, y in enumerate(batch.labels)])


@given(
    seed=st.integers(0, 2**32 - 1),
    T=st.integers(1, 4),
    K=st.integers(2, 6),
    tau=st.floats(0.5, 20.0),
    alpha=st.floats(0.1, 2.0),
    beta=st.floats(0.1, 10.0),
)
@settings(max_examples=25, deadline=None)
def test_is_the_papers_loss(oracle, draw, seed, T, K, tau, alpha, beta):
    batch = draw(seed, T=T, K=K, teacher_T=2)
    method = DKD(alpha, beta, tau, ce_weight=0.7)
    losses = method.losses(*batch.signals())
    target, others, _ = parts(oracle, batch, tau)
    hard = oracle.cross_entropy(batch.mean, batch.labels)
    assert losses["tckd"].item() == pytest.approx(target.mean(), rel=1e-7, abs=1e-11)
    assert losses["nckd"].item() == pytest.approx(others.mean(), rel=1e-7, abs=1e-11)
    expected = 0.7 * hard + tau**2 * (alpha * target.mean() + beta * others.mean())
    assert method.total(losses).item() == pytest.approx(expected, rel=1e-7, abs=1e-10)


def test_the_two_parts_make_up_the_kl_divergence(oracle, draw):
    """Eq. (5): KL = TCKD + (1 - p_y) NCKD, per sample; so with one sample and beta = (1 - p_y) * alpha it is KD."""
    batch = draw(1, B=1)
    target, others, p = parts(oracle, batch, 4.0)
    method = DKD(alpha=1.0, beta=float(1 - p[0]), ce_weight=0.0)
    kl = oracle.kl(batch.target, batch.mean, 4.0)
    assert target[0] + (1 - p[0]) * others[0] == pytest.approx(kl, rel=1e-9)
    assert method.total(method.losses(*batch.signals())).item() == pytest.approx(16.0 * kl, rel=1e-8)


@pytest.mark.parametrize("term", ["tckd", "nckd"])
def test_gradient_is_that_of_finite_differences(oracle, draw, term):
    batch = draw(2, T=2, B=2, K=4)
    student, teacher, labels = batch.signals()
    DKD().losses(student, teacher, labels)[term].backward()
    which = ("tckd", "nckd").index(term)
    numeric = np.zeros_like(batch.student)
    for at in np.ndindex(batch.student.shape):
        kept, values = batch.student[at], []
        for step in (1e-5, -1e-5):
            batch.student[at] = kept + step
            values.append(parts(oracle, batch, 4.0)[which].mean())
        batch.student[at] = kept
        numeric[at] = (values[0] - values[1]) / 2e-5
    np.testing.assert_allclose(student.logits.grad.numpy(), numeric, rtol=1e-5, atol=1e-9)


def test_a_part_does_not_look_at_the_other():
    """Shifting the label's logit leaves NCKD, shuffling the others leaves TCKD."""
    student, teacher = torch.randn(1, 3, 5), torch.randn(1, 3, 5)
    labels = torch.tensor([0, 0, 0])
    before = DKD().losses(Signals(student), Signals(teacher), labels)
    shifted = student.clone()
    shifted[..., 0] += 3.0
    after = DKD().losses(Signals(shifted), Signals(teacher), labels)
    torch.testing.assert_close(after["nckd"], before["nckd"])
    assert after["tckd"] != before["tckd"]
    shuffled = DKD().losses(Signals(student[..., [0, 2, 3, 4, 1]]), Signals(teacher), labels)
    torch.testing.assert_close(shuffled["tckd"], before["tckd"])
    assert shuffled["nckd"] != before["nckd"]


def test_a_teacher_that_is_sure_still_teaches_the_other_classes():
    """In 32 bits 1 - p_y is 0 there; the sum over the other classes is not."""
    teacher = torch.tensor([[[60.0, 1.0, 2.0, 3.0]]])
    student = torch.tensor([[[50.0, 3.0, 2.0, 1.0]]], requires_grad=True)
    losses = DKD(temperature=1.0).losses(Signals(student), Signals(teacher), torch.tensor([0]))
    p = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    assert losses["nckd"].item() == pytest.approx(sum(p * np.log(p / p[::-1])), rel=1e-5)
    sum(losses.values()).backward()
    assert torch.isfinite(student.grad).all()


def test_a_term_without_weight_is_left_out(draw):
    signals = draw(3).signals()
    assert list(DKD(alpha=0.0, ce_weight=0.0).losses(*signals)) == ["nckd"]
    assert list(DKD(beta=0.0).losses(*signals)) == ["cross_entropy", "tckd"]


def test_both_kl_terms_grow_during_the_warmup():
    """By default 20 epochs of 240, as in public code, but by the step."""
    for epochs_done in range(241):
        factors = DKD().at(epochs_done / 240).weights
        share = min(epochs_done / 20, 1.0)
        assert factors == pytest.approx({"cross_entropy": 1.0, "tckd": 16.0 * share, "nckd": 8 * 16.0 * share})
    assert DKD(warmup=0.0).at(0.0) == DKD(warmup=0.0)
    total = Sum((TET(), DKD())).at(1 / 24)
    assert total.weights["dkd.tckd"] == pytest.approx(8.0)
    assert Sum((TET(),)).at(0.5) == Sum((TET(),))


@pytest.mark.parametrize(
    "wrong", [{"alpha": -1.0}, {"beta": -1.0}, {"temperature": 0.0}, {"ce_weight": -0.1}, {"warmup": 1.5}]
)
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        DKD(**wrong)
