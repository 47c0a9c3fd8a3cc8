"""ETC, STA, Strong2Weak and Weak2Strong: one loss with four kinds of targets, each against its definition."""

import itertools
import math

import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import ETC, STA, Signals, StrongToWeak, WeakToStrong

FOUR = [ETC, STA, StrongToWeak, WeakToStrong]


def kl(oracle, taught, learns, tau):
    return oracle.kl(taught, learns[None], tau)


def etc(oracle, z, tau):
    return np.mean([kl(oracle, z[j], z[i], tau) for i, j in itertools.permutations(range(len(z)), 2)])


def mixtures(oracle, z):
    """STA's targets, one step of one sample at a time."""
    targets = np.zeros_like(z)
    for t, b in np.ndindex(z.shape[:2]):
        others = [j for j in range(len(z)) if j != t]
        scores = []
        for j in others:
            q = oracle.softmax(z[j, b])
            sure = 1 + sum(x * math.log(x) for x in q) / math.log(len(q))
            scores.append(sure * z[t, b] @ z[j, b] / np.linalg.norm(z[t, b]) / np.linalg.norm(z[j, b]))
        shares = np.exp(scores) / np.exp(scores).sum()
        targets[t, b] = sum(share * z[j, b] for share, j in zip(shares, others, strict=True))
    return targets


def sta(oracle, z, tau):
    return np.mean([kl(oracle, target, step, tau) for target, step in zip(mixtures(oracle, z), z, strict=True)])


def ranked(oracle, z):
    """The least sure step and the surest."""
    confidence = [np.mean([oracle.softmax(row).max() for row in step]) for step in z]
    return int(np.argmin(confidence)), int(np.argmax(confidence))


def strong_to_weak(oracle, z, tau):
    weak, strong = ranked(oracle, z)
    return kl(oracle, z[strong], z[weak], tau)


def weak_to_strong(oracle, z, tau):
    weak, strong = ranked(oracle, z)
    return kl(oracle, z[weak], z[strong], tau)


DEFINITIONS = dict(zip(FOUR, [etc, sta, strong_to_weak, weak_to_strong], strict=True))


@pytest.mark.parametrize("kind", FOUR)
@pytest.mark.parametrize("labelled", ["steps", "mean"])
@pytest.mark.parametrize(("seed", "T", "tau"), [(0, 2, 1.0), (1, 4, 3.0), (2, 5, 7.0)])
def test_is_its_definition(oracle, draw, kind, labelled, seed, T, tau):
    batch = draw(seed, T=T)
    student, _, labels = batch.signals()
    method = kind(weight=0.6, temperature=tau, labelled=labelled)
    losses = method.losses(student, None, labels)
    own = DEFINITIONS[kind](oracle, batch.student, tau)
    hard = oracle.cross_entropy(batch.student if labelled == "steps" else batch.mean, batch.labels)
    assert losses["self_distillation"].item() == pytest.approx(own, rel=1e-8)
    assert losses["cross_entropy"].item() == pytest.approx(hard, rel=1e-9)
    assert method.total(losses).item() == pytest.approx(hard + 0.6 * tau**2 * own, rel=1e-8)


@pytest.mark.parametrize("kind", FOUR)
def test_targets_are_without_gradient(oracle, draw, kind):
    """The gradient of KL(p || q(z)) of a constant p is (q - p) / tau, times the share of the pair in the mean."""
    batch = draw(3, T=3)
    z, (T, B, _), tau = batch.student, batch.student.shape, 2.0
    student, _, labels = batch.signals()
    kind(temperature=tau).losses(student, None, labels)["self_distillation"].backward()
    p, expected = oracle.softmax(z, tau), np.zeros_like(z)
    weak, strong = ranked(oracle, z)
    if kind is ETC:
        for i, j in itertools.permutations(range(T), 2):
            expected[i] += (p[i] - p[j]) / (tau * B * T * (T - 1))
    elif kind is STA:
        expected = (p - oracle.softmax(mixtures(oracle, z), tau)) / (tau * B * T)
    elif kind is StrongToWeak:
        expected[weak] = (p[weak] - p[strong]) / (tau * B)
    else:
        expected[strong] = (p[strong] - p[weak]) / (tau * B)
    np.testing.assert_allclose(student.logits.grad.numpy(), expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(("kind", "teaches"), [(StrongToWeak, 1), (WeakToStrong, 0)])
def test_one_step_may_teach_all(oracle, draw, kind, teaches):
    batch = draw(4)
    student, _, labels = batch.signals()
    losses = kind(learners="all").losses(student, None, labels)
    taught = batch.student[ranked(oracle, batch.student)[teaches]]
    assert losses["self_distillation"].item() == pytest.approx(oracle.kl(taught, batch.student, 2.0), rel=1e-9)


@pytest.mark.parametrize("kind", FOUR)
@pytest.mark.parametrize("T", [1, 3])
def test_steps_that_agree_have_nothing_to_teach(kind, T):
    student = torch.randn(1, 5, 4).repeat(T, 1, 1).requires_grad_()
    own = kind().losses(Signals(student), None, torch.zeros(5, dtype=torch.long))["self_distillation"]
    own.backward()
    assert own.item() == pytest.approx(0.0, abs=1e-6)
    assert student.grad.abs().max() < 1e-6


@pytest.mark.parametrize("kind", FOUR)
def test_a_term_without_weight_is_left_out(kind, draw):
    student, _, labels = draw(5).signals()
    assert list(kind(weight=0.0).losses(student, None, labels)) == ["cross_entropy"]


@pytest.mark.parametrize("kind", FOUR)
@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"temperature": 0.0}, {"label_smoothing": 2.0}])
def test_refuses(kind, wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        kind(**wrong)
