import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import TPD


def means(z):
    return np.array([z[: t + 1].mean(axis=0) for t in range(len(z))])


def progressive(oracle, z, tau, held=None):
    """mean over t < T of the cross-entropy of the mean up to t with that up to t + 1."""
    p, q = oracle.softmax(means(z if held is None else held), tau), oracle.softmax(means(z), tau)
    return np.mean([-(p[t + 1, b] * np.log(q[t, b])).sum() for t in range(len(z) - 1) for b in range(z.shape[1])])


@pytest.mark.parametrize("labelled", ["steps", "mean"])
@pytest.mark.parametrize(("seed", "T", "tau"), [(0, 2, 1.0), (1, 4, 1.0), (2, 6, 3.0)])
def test_is_the_cross_entropy_of_cumulative_means(oracle, draw, labelled, seed, T, tau):
    batch = draw(seed, T=T)
    student, _, labels = batch.signals()
    method = TPD(weight=0.4, temperature=tau, labelled=labelled)
    losses = method.losses(student, None, labels)
    own = progressive(oracle, batch.student, tau)
    hard = oracle.cross_entropy(batch.student if labelled == "steps" else batch.mean, batch.labels)
    assert losses["self_distillation"].item() == pytest.approx(own, rel=1e-9)
    assert method.total(losses).item() == pytest.approx(hard + 0.4 * tau**2 * own, rel=1e-9)


def test_the_later_mean_teaches_without_gradient(oracle, draw):
    """Finite differences with the targets held; the last step teaches alone and gets no gradient."""
    batch = draw(3, T=3, B=2, K=3)
    student, _, labels = batch.signals()
    TPD().losses(student, None, labels)["self_distillation"].backward()
    z, numeric = batch.student.copy(), np.zeros_like(batch.student)
    for at in np.ndindex(z.shape):
        kept, values = z[at], []
        for step in (1e-5, -1e-5):
            z[at] = kept + step
            values.append(progressive(oracle, z, 1.0, batch.student))
        z[at] = kept
        numeric[at] = (values[0] - values[1]) / 2e-5
    np.testing.assert_allclose(student.logits.grad.numpy(), numeric, rtol=1e-5, atol=1e-8)
    assert torch.count_nonzero(student.logits.grad[-1]) == 0


def test_one_step_has_nothing_to_learn(draw):
    student, _, labels = draw(4, T=1).signals()
    assert list(TPD().losses(student, None, labels)) == ["cross_entropy"]
    student, _, labels = draw(4).signals()
    assert list(TPD(weight=0.0).losses(student, None, labels)) == ["cross_entropy"]


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"temperature": 0.0}, {"label_smoothing": 1.5}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        TPD(**wrong)
