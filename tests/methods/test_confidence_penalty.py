import numpy as np
import pytest

from spikedistill.errors import InputError
from spikedistill.methods import TSER, ConfidencePenalty, CrossEntropy


@pytest.mark.parametrize("separate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_is_cross_entropy_less_entropy(separate, beta, oracle, draw):
    batch = draw(0)
    method = ConfidencePenalty(beta, separate)
    losses = method.losses(*batch.signals())
    z, zbar, y = batch.student, batch.mean, batch.labels
    hard = separate * oracle.cross_entropy(z, y) + (1 - separate) * oracle.cross_entropy(zbar, y)
    soft = separate * oracle.entropy(z) + (1 - separate) * oracle.entropy(zbar)
    assert losses["cross_entropy"].item() == pytest.approx(hard, rel=1e-9)
    assert losses["entropy"].item() == pytest.approx(soft, rel=1e-9)
    assert method.total(losses).item() == pytest.approx(hard - beta * soft, rel=1e-9)


def test_its_gradient_in_closed_form(oracle, draw):
    """By the mean logits: q - onehot(y) + beta * q * (log q + H(q)), over the batch."""
    batch = draw(1)
    student, _, labels = batch.signals()
    method = ConfidencePenalty(beta=0.7)
    method.total(method.losses(student, None, labels)).backward()
    q = oracle.softmax(batch.mean[0])
    entropy = -(q * np.log(q)).sum(axis=1, keepdims=True)
    by_mean = q - np.eye(7)[batch.labels] + 0.7 * q * (np.log(q) + entropy)
    expected = np.broadcast_to(by_mean / (5 * 4), student.logits.shape)
    np.testing.assert_allclose(student.logits.grad.numpy(), expected, rtol=1e-8, atol=1e-12)


def test_is_tser_without_its_teacher(draw):
    batch = draw(2)
    student, teacher, labels = batch.signals()
    tser = TSER(alpha=0.0, entropy=0.2)
    ours = ConfidencePenalty(beta=0.2, separate=1.0)
    expected = tser.total(tser.losses(student, teacher, labels)).item()
    assert ours.total(ours.losses(student, None, labels)).item() == pytest.approx(expected, rel=1e-12)


def test_without_beta_it_is_cross_entropy(draw):
    signals = draw(3).signals()
    assert ConfidencePenalty(beta=0.0).losses(*signals) == CrossEntropy().losses(*signals)


@pytest.mark.parametrize("wrong", [{"beta": -0.1}, {"separate": 1.2}, {"label_smoothing": -1.0}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        ConfidencePenalty(**wrong)
