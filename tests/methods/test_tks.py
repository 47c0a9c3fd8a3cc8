import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import TKS, Signals


def soft(oracle, z, labels, tau, target=None):
    """mean_t of the cross-entropy of z(t) at temperature 1 with the softened sum of the right steps."""
    source = z if target is None else target
    total = 0.0
    for b, y in enumerate(labels):
        summed = sum((step for step in source[:, b] if np.argmax(step) == y), np.zeros(z.shape[-1]))
        p = oracle.softmax(summed, tau)
        total += sum(-(p * np.log(oracle.softmax(step))).sum() for step in z[:, b])
    return total / z.shape[0] / z.shape[1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("K", "tau", "alpha"), [(2, 1.0, 0.7), (3, 3.0, 0.2), (6, 5.0, 0.5)])
def test_is_the_public_codes_loss(oracle, draw, seed, K, tau, alpha):
    batch = draw(seed, K=K)
    student, _, labels = batch.signals()
    method = TKS(alpha=alpha, temperature=tau)
    losses = method.losses(student, None, labels)
    expected = soft(oracle, batch.student, batch.labels, tau)
    hard = oracle.cross_entropy(batch.mean, batch.labels)
    assert losses["soft_cross_entropy"].item() == pytest.approx(expected, rel=1e-9)
    assert losses["cross_entropy"].item() == pytest.approx(hard, rel=1e-9)
    total = (1 - alpha) * hard + alpha * tau**2 * expected
    assert method.total(losses).item() == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("target", ["differentiable", "detached"])
def test_gradient_is_that_of_finite_differences(oracle, draw, target):
    """Through the target too, or with the target held."""
    batch = draw(1, T=3, B=4, K=3)
    student, _, labels = batch.signals()
    TKS(target=target).losses(student, None, labels)["soft_cross_entropy"].backward()
    z = batch.student.copy()
    held = batch.student if target == "detached" else None
    numeric = np.zeros_like(z)
    for at in np.ndindex(z.shape):
        kept, values = z[at], []
        for step in (1e-5, -1e-5):
            z[at] = kept + step
            values.append(soft(oracle, z, batch.labels, 3.0, held))
        z[at] = kept
        numeric[at] = (values[0] - values[1]) / 2e-5
    np.testing.assert_allclose(student.logits.grad.numpy(), numeric, rtol=1e-5, atol=1e-8)


def test_where_no_step_is_right_the_target_is_uniform(oracle):
    z = np.array([[[1.0, 2.0, 0.0]], [[0.0, 1.0, 3.0]]])
    loss = TKS().losses(Signals(torch.tensor(z)), None, torch.tensor([0]))["soft_cross_entropy"]
    expected = np.mean([-np.log(oracle.softmax(step[0])).mean() for step in z])
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_a_term_without_weight_is_left_out(draw):
    student, _, labels = draw(2).signals()
    assert list(TKS(alpha=0.0).losses(student, None, labels)) == ["cross_entropy"]
    assert list(TKS(alpha=1.0, ramp="none").losses(student, None, labels)) == ["soft_cross_entropy"]
    assert len(TKS(alpha=1.0).losses(student, None, labels)) == 2  # the labels have all the weight at the beginning


def test_alpha_grows_evenly_or_is_constant():
    """0.7 * epoch / epochs in public code, of the weights alone."""
    ramped = TKS(alpha=0.7, temperature=2.0)
    assert [ramped.at(share).weights for share in (0.0, 0.5, 1.0)] == [
        {"cross_entropy": 1.0, "soft_cross_entropy": 0.0},
        {"cross_entropy": 0.65, "soft_cross_entropy": 1.4},
        ramped.weights,
    ]
    constant = TKS(ramp="none")
    assert constant.at(0.0) is constant


@pytest.mark.parametrize("wrong", [{"alpha": 1.5}, {"temperature": 0.0}, {"label_smoothing": -0.1}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        TKS(**wrong)
