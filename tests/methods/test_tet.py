import numpy as np
import pytest

from spikedistill.errors import InputError
from spikedistill.methods import TET, CrossEntropy


def test_is_the_mean_of_the_cross_entropies_of_the_steps(oracle, draw):
    batch = draw(0)
    student, _, labels = batch.signals()
    losses = TET().losses(student, None, labels)
    assert list(losses) == ["cross_entropy"]
    assert losses["cross_entropy"].item() == pytest.approx(oracle.cross_entropy(batch.student, batch.labels), rel=1e-9)


def test_the_two_terms_share_a_weight_of_one(oracle, draw):
    """(1 - lambda) L_TET + lambda mean (z - phi)^2, the form of the public code."""
    batch = draw(1)
    student, _, labels = batch.signals()
    method = TET(mse_weight=0.05, mse_target=0.5)
    losses = method.losses(student, None, labels)
    ce, mse = oracle.cross_entropy(batch.student, batch.labels), np.mean((batch.student - 0.5) ** 2)
    assert losses["cross_entropy"].item() == pytest.approx(ce, rel=1e-9)
    assert losses["mse"].item() == pytest.approx(mse, rel=1e-9)
    assert method.total(losses).item() == pytest.approx(0.95 * ce + 0.05 * mse, rel=1e-9)


def test_the_regulariser_alone(draw):
    student, _, labels = draw(2).signals()
    assert list(TET(mse_weight=1.0).losses(student, None, labels)) == ["mse"]


def test_is_cross_entropy_where_there_is_one_step(draw):
    student, _, labels = draw(3, T=1).signals()
    assert TET().losses(student, None, labels) == CrossEntropy().losses(student, None, labels)


@pytest.mark.parametrize("wrong", [{"mse_weight": 1.5}, {"mse_weight": -0.1}, {"mse_target": float("inf")}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        TET(**wrong)
