import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import TSER, TWSNN, Signals


def ensemble(batch, which):
    """The mean of the steps that count, one sample at a time; zeros where none does."""
    rows = []
    for b, y in enumerate(batch.labels):
        steps = [z for z in batch.student[:, b] if which == "all" or np.argmax(z) == y]
        rows.append(np.mean(steps, axis=0) if steps else np.zeros(batch.student.shape[-1]))
    return np.array(rows)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("which", ["correct", "all"])
@pytest.mark.parametrize(("K", "tau"), [(2, 1.0), (3, 3.0), (7, 5.0)])
def test_is_the_three_terms(oracle, draw, seed, which, K, tau):
    batch = draw(seed, K=K, teacher_T=2)
    method = TWSNN(alpha=0.3, beta=0.7, temperature=tau, ensemble=which)
    losses = method.losses(*batch.signals())
    hard = oracle.cross_entropy(batch.student, batch.labels)
    kl = oracle.kl(batch.target, batch.student, tau)
    own = oracle.kl(ensemble(batch, which), batch.student, tau)
    assert [loss.item() for loss in losses.values()] == pytest.approx([hard, kl, own], rel=1e-9)
    expected = hard + tau**2 * (0.3 * kl + 0.7 * own)
    assert method.total(losses).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("which", ["correct", "all"])
def test_the_ensemble_is_a_teacher_without_gradient(oracle, draw, which):
    """The gradient of the KL is (q - p) / (tau T B): the target is a constant."""
    batch = draw(1, K=3)
    student, teacher, labels = batch.signals()
    TWSNN(ensemble=which).losses(student, teacher, labels)["self_distillation"].backward()
    q, p = oracle.softmax(batch.student, 3.0), oracle.softmax(ensemble(batch, which), 3.0)
    expected = (q - p) / (3.0 * batch.student.shape[0] * batch.student.shape[1])
    np.testing.assert_allclose(student.logits.grad.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_where_no_step_is_right_the_target_is_uniform(oracle):
    logits = np.array([[[1.0, 2.0, 0.0]], [[0.0, 1.0, 3.0]]])
    student, labels = Signals(torch.tensor(logits)), torch.tensor([0])
    own = TWSNN().losses(student, Signals(torch.zeros(1, 1, 3)), labels)["self_distillation"]
    assert own.item() == pytest.approx(oracle.kl(np.zeros((1, 3)), logits, 3.0))


def test_is_tser_without_entropy_where_the_ensemble_has_no_weight(draw):
    signals = draw(2).signals()
    mine = TWSNN(alpha=0.5, beta=0.0, temperature=5.0)
    losses = mine.losses(*signals)
    assert list(losses) == ["cross_entropy", "kl"]
    assert losses == TSER(entropy=0.0).losses(*signals)


@pytest.mark.parametrize("wrong", [{"alpha": -1.0}, {"beta": -1.0}, {"temperature": 0.0}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        TWSNN(**wrong)
