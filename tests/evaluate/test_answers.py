"""Calibration, confusion and agreement against loops in float64, scikit-learn and scipy, and by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss

from spikedistill.evaluate.accuracy import accuracy_of_logits
from spikedistill.evaluate.agreement import agreement
from spikedistill.evaluate.calibration import calibration
from spikedistill.evaluate.confusion import confusion


def drawn(seed, steps=3, images=200, classes=4):
    """Logits in 64ths, whose sums are exact in float32, and labels."""
    draw = np.random.default_rng(seed)
    logits = (draw.normal(size=(steps, images, classes)) * 128).round().astype(np.float32) / 64
    return torch.from_numpy(logits), torch.from_numpy(draw.integers(0, classes, images))


def probabilities(logits) -> np.ndarray:
    return softmax(logits.numpy().astype(np.float64).mean(0), axis=-1)


@given(st.integers(0, 2**31), st.sampled_from([1, 4]), st.sampled_from([1, 7, 1200]), st.sampled_from([2, 11]))
def test_calibration_against_loops(seed, steps, images, classes):
    logits, labels = drawn(seed, steps, images, classes)
    shares, found = probabilities(logits), calibration(logits, labels)
    bins = [[] for _ in range(15)]
    for row, label in zip(shares, labels.tolist(), strict=True):
        bins[math.ceil(row.max() * 15) - 1].append((row.max(), row.argmax() == label))
    gap = 0.0
    for one, members in zip(found.bins, bins, strict=True):
        assert one.images == len(members)
        if not members:
            assert (one.confidence, one.accuracy) == (None, None)
            continue
        confidence, right = (sum(values) / len(members) for values in zip(*members, strict=True))
        assert (one.confidence, one.accuracy) == (pytest.approx(confidence), pytest.approx(right))
        assert one.low < one.confidence <= one.high
        gap += len(members) / images * abs(right - confidence)
    assert found.ece == pytest.approx(gap, abs=1e-12)
    assert found.accuracy == pytest.approx(np.mean(shares.argmax(-1) == labels.numpy()))
    assert found.accuracy == pytest.approx(accuracy_of_logits(logits, labels).final)


def test_scores_are_those_of_scikit_learn():
    logits, labels = drawn(1)
    shares, found = probabilities(logits), calibration(logits, labels)
    known = list(range(4))
    assert found.nll == pytest.approx(log_loss(labels, shares, labels=known))
    brier = brier_score_loss(labels, shares, labels=known, scale_by_half=False)
    assert found.brier == pytest.approx(brier)


def test_a_calibration_error_that_is_known():
    """Ten answers of 0.9, of which seven are right, and ten of 0.65, all right: (0.2 + 0.35) / 2."""
    sure, unsure = ([math.log(p), math.log(1 - p)] for p in (0.9, 0.65))
    logits = torch.tensor([[sure] * 10 + [unsure] * 10])
    labels = torch.tensor([0] * 7 + [1] * 3 + [0] * 10)
    found = calibration(logits, labels)
    assert found.ece == pytest.approx(0.275, abs=1e-6)
    assert found.brier == pytest.approx((7 * 0.02 + 3 * 1.62 + 10 * 0.245) / 20, abs=1e-6)
    assert [(round(one.low, 2), one.images) for one in found.bins if one.images] == [(0.6, 10), (0.87, 10)]


def test_a_confidence_at_an_edge_is_in_the_bin_below():
    assert calibration(torch.zeros(1, 3, 5), torch.arange(3)).bins[2].images == 3, "1 / 5 = 3 / 15"


def test_logits_beyond_what_a_softmax_of_floats_holds():
    logits = torch.tensor([[[300.0, 0.0], [0.0, 300.0]]])
    found = calibration(logits, torch.tensor([0, 0]))
    assert found.nll == pytest.approx(150.0)
    assert found.brier == pytest.approx(1.0)
    assert found.bins[-1].confidence == 1.0


def test_confusion_is_that_of_scikit_learn():
    logits, labels = drawn(2, images=1300, classes=5)
    answers = logits.double().mean(0).argmax(-1)
    found = confusion(logits, labels)
    assert np.array_equal(found.matrix, confusion_matrix(labels, answers, labels=list(range(5))))
    for k, share in enumerate(found.per_class):
        assert share == pytest.approx(float((answers[labels == k] == k).double().mean()))


def test_classes_without_images():
    logits = torch.zeros(2, 3, 5)
    logits[:, :, 4] = 1.0
    found = confusion(logits, torch.tensor([4, 4, 1]))
    assert found.matrix[4] == (0, 0, 0, 0, 2)
    assert found.matrix[1] == (0, 0, 0, 0, 1)
    assert found.per_class == (None, 0.0, None, None, 1.0)


def test_agreement_against_scipy():
    """A teacher has a T of its own."""
    mine, theirs = drawn(3)[0], drawn(4, steps=1)[0]
    p, q = probabilities(theirs), probabilities(mine)
    found = agreement(mine, theirs)
    assert found.kl == pytest.approx(rel_entr(p, q).sum(-1).mean())
    assert found.agreement == pytest.approx(np.mean(p.argmax(-1) == q.argmax(-1)))
    assert agreement(mine, mine).agreement == 1.0
    assert agreement(mine, mine).kl == 0.0
    swapped = agreement(theirs, mine)
    assert swapped.agreement == found.agreement
    assert swapped.kl != pytest.approx(found.kl), "a divergence has a direction"
