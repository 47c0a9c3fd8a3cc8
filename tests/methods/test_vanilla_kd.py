import copy

import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import TSER, DefaultKD, VanillaKD


def test_is_the_weighted_sum_on_the_mean_of_the_logits(oracle, draw):
    batch = draw(0, teacher_T=3)
    method = VanillaKD(alpha=0.3, temperature=4.0)
    losses = method.losses(*batch.signals())
    ce, kl = oracle.cross_entropy(batch.mean, batch.labels), oracle.kl(batch.target, batch.mean, 4.0)
    assert losses["cross_entropy"].item() == pytest.approx(ce, rel=1e-9)
    assert losses["kl"].item() == pytest.approx(kl, rel=1e-9)
    assert method.total(losses).item() == pytest.approx(0.7 * ce + 0.3 * 16.0 * kl, rel=1e-9)


def test_average_of_probabilities_is_equation_7(oracle, draw):
    batch, tau = draw(1), 4.0
    method = VanillaKD(0.3, tau, average="probabilities", scale="none")
    losses = method.losses(*batch.signals())
    q = oracle.softmax(batch.student).mean(axis=0)
    p, q_tau = oracle.softmax(batch.target, tau), oracle.softmax(batch.student, tau).mean(axis=0)
    ce = -np.log(q[np.arange(5), batch.labels]).mean()
    kl = (p * np.log(p / q_tau)).sum(axis=-1).mean()
    assert losses["cross_entropy"].item() == pytest.approx(ce, rel=1e-9)
    assert losses["kl"].item() == pytest.approx(kl, rel=1e-9)
    assert method.total(losses).item() == pytest.approx(0.7 * ce + 0.3 * kl, rel=1e-9)
    assert abs(ce - oracle.cross_entropy(batch.mean, batch.labels)) > 0.01  # the two averages are two losses


def test_the_averages_agree_at_one_step(draw):
    signals = draw(2, T=1).signals()
    logits, probabilities = (VanillaKD(average=a).losses(*signals) for a in ("logits", "probabilities"))
    for term in logits:
        torch.testing.assert_close(logits[term], probabilities[term])


def test_a_term_without_weight_is_left_out(draw):
    signals = draw(3).signals()
    assert list(VanillaKD(alpha=0.0).losses(*signals)) == ["cross_entropy"]
    assert list(VanillaKD(alpha=1.0).losses(*signals)) == ["kl"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"alpha": 1.1}, "alpha must be between 0 and 1, not 1.1"),
        ({"alpha": float("nan")}, "not nan"),
        ({"temperature": 0.0}, "temperature must be a finite number above 0, not 0.0"),
        ({"temperature": float("inf")}, "finite"),
    ],
)
def test_refuses(wrong, message):
    with pytest.raises(InputError) as error:
        VanillaKD(**wrong)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("method", "field", "word", "message"),
    [
        (
            VanillaKD(),
            "average",
            "logit",
            "must be one of logits, probabilities, not 'logit' (VanillaKD). Did you mean 'logits'?",
        ),
        (VanillaKD(), "scale", "tau", "must be one of tau_squared, none, not 'tau'"),
        (TSER(), "scale", "tau", "must be one of tau_squared, none, not 'tau'"),
        (DefaultKD(), "soften", "linear", "must be one of power, tfkd, not 'linear'"),
        (DefaultKD(), "scale", "tau", "must be one of none, tau_squared, not 'tau'"),
    ],
)
def test_refuses_other_words(method, field, word, message):
    """Set after construction, which would be refused before the check where annotations are enforced."""
    broken = copy.copy(method)
    object.__setattr__(broken, field, word)
    with pytest.raises(InputError) as error:
        broken.__post_init__()
    assert message in str(error.value)
