import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import KDSNNResponse, VanillaKD


def total(method, batch):
    student, teacher, labels = batch.signals()
    loss = method.total(method.losses(student, teacher, labels))
    loss.backward()
    return loss.item(), student.logits.grad


def test_is_equation_5(oracle, draw):
    batch = draw(0)
    method = KDSNNResponse(alpha=0.9, temperature=3.0)
    losses = method.losses(*batch.signals())
    soft = oracle.kl(batch.target, batch.mean, 3.0) + oracle.entropy(batch.target, 3.0)
    assert losses["soft_cross_entropy"].item() == pytest.approx(soft, rel=1e-9)
    hard = oracle.cross_entropy(batch.mean, batch.labels)
    assert losses["cross_entropy"].item() == pytest.approx(hard, rel=1e-9)
    assert method.total(losses).item() == pytest.approx(0.9 * 9.0 * soft + 0.1 * hard, rel=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_has_the_gradient_of_kl_and_differs_by_the_teachers_entropy(oracle, draw, alpha, temperature):
    batch = draw(1)
    value, gradient = total(KDSNNResponse(alpha, temperature), batch)
    kl_value, kl_gradient = total(VanillaKD(alpha, temperature), batch)
    torch.testing.assert_close(gradient, kl_gradient, rtol=1e-9, atol=1e-12)
    constant = alpha * temperature**2 * oracle.entropy(batch.target, temperature)
    assert value - kl_value == pytest.approx(constant, rel=1e-9, abs=1e-12)


def test_a_term_without_weight_is_left_out(draw):
    signals = draw(2).signals()
    assert list(KDSNNResponse(alpha=0.0).losses(*signals)) == ["cross_entropy"]
    assert list(KDSNNResponse(alpha=1.0).losses(*signals)) == ["soft_cross_entropy"]


@pytest.mark.parametrize("wrong", [{"alpha": -0.5}, {"temperature": -1.0}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        KDSNNResponse(**wrong)
