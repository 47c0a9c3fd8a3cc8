import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import LogitStandardization, Signals


def z(logits):
    """The definition in NumPy; the standard deviation divides by K - 1."""
    return np.array([(row - row.mean()) / (1e-7 + row.std(ddof=1)) for row in logits])


def kl(oracle, batch, tau):
    return oracle.kl(z(batch.target), z(batch.mean[0])[None], tau)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tau", [1.0, 2.0, 5.0])
def test_is_algorithm_2(oracle, draw, seed, tau):
    batch = draw(seed, T=3, teacher_T=2)
    method = LogitStandardization(weight=7.0, temperature=tau, ce_weight=0.4)
    losses = method.losses(*batch.signals())
    hard = oracle.cross_entropy(batch.mean, batch.labels)
    assert losses["kl"].item() == pytest.approx(kl(oracle, batch, tau), rel=1e-9)
    expected = 0.4 * hard + 7.0 * tau**2 * kl(oracle, batch, tau)
    assert method.total(losses).item() == pytest.approx(expected, rel=1e-9)


def test_gradient_is_that_of_finite_differences(oracle, draw):
    """It flows through the mean and the standard deviation too."""
    batch = draw(2, T=2, B=2, K=4)
    student, teacher, labels = batch.signals()
    LogitStandardization().losses(student, teacher, labels)["kl"].backward()
    numeric = np.zeros_like(batch.student)
    for at in np.ndindex(batch.student.shape):
        kept, values = batch.student[at], []
        for step in (1e-5, -1e-5):
            batch.student[at] = kept + step
            values.append(kl(oracle, batch, 2.0))
        batch.student[at] = kept
        numeric[at] = (values[0] - values[1]) / 2e-5
    np.testing.assert_allclose(student.logits.grad.numpy(), numeric, rtol=1e-5, atol=1e-9)


def test_does_not_look_at_range_and_shift(draw):
    student, teacher, labels = draw(3, T=1).signals()
    losses = LogitStandardization().losses
    before = losses(student, teacher, labels)["kl"]
    stretched = Signals(3.0 * student.logits + 5.0)
    torch.testing.assert_close(losses(stretched, teacher, labels)["kl"], before, rtol=1e-6, atol=1e-9)
    assert losses(Signals(0.2 * teacher.logits - 1.0), teacher, labels)["kl"].item() == pytest.approx(0.0, abs=1e-9)


def test_a_student_that_says_nothing_has_a_finite_loss_and_gradient():
    student = torch.zeros(2, 3, 5, requires_grad=True)
    loss = LogitStandardization().losses(Signals(student), Signals(torch.randn(1, 3, 5)), torch.tensor([0, 1, 2]))["kl"]
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


def test_agrees_with_torchdistill(draw):
    losses = pytest.importorskip(
        "torchdistill.losses.mid_level", reason="pip install --no-deps -r tests/oracles.txt -c constraints.txt"
    )
    batch = draw(4, T=1)
    student, teacher, labels = batch.signals()
    theirs = losses.LogitStdKDLoss("student", "output", "teacher", "output", 2.0, alpha=0.1, beta=9.0)
    said = ({"student": {"output": student.logits[0]}}, {"teacher": {"output": teacher.logits[0]}})
    ours = LogitStandardization(weight=9.0, temperature=2.0, ce_weight=0.1)
    mine = ours.total(ours.losses(student, teacher, labels))
    torch.testing.assert_close(mine, theirs(*said, labels), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"temperature": 0.0}, {"ce_weight": -0.1}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        LogitStandardization(**wrong)
