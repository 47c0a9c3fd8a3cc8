import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import CrossEntropy


def test_is_taken_on_the_mean_of_the_logits(oracle, draw):
    batch = draw(0)
    student, _, labels = batch.signals()
    losses = CrossEntropy().losses(student, None, labels)
    assert list(losses) == ["cross_entropy"]
    assert losses["cross_entropy"].item() == pytest.approx(oracle.cross_entropy(batch.mean, batch.labels), rel=1e-9)


def test_every_step_gets_the_same_gradient(draw):
    student, _, labels = draw(1).signals()
    CrossEntropy().losses(student, None, labels)["cross_entropy"].backward()
    assert torch.equal(student.logits.grad, student.logits.grad[:1].expand(4, -1, -1))


def test_label_smoothing(oracle, draw):
    """The target is (1 - e) on the label plus e / K on every class."""
    batch, e = draw(2), 0.2
    student, _, labels = batch.signals()
    log_q = np.log(oracle.softmax(batch.mean[0]))
    target = np.full((5, 7), e / 7)
    target[np.arange(5), batch.labels] += 1 - e
    smoothed = CrossEntropy(label_smoothing=e).losses(student, None, labels)["cross_entropy"]
    assert smoothed.item() == pytest.approx(-(target * log_q).sum(axis=-1).mean(), rel=1e-9)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_refuses_smoothing_that_is_no_share(value):
    with pytest.raises(InputError, match=f"label_smoothing.*between 0 and 1.*{value}"):
        CrossEntropy(label_smoothing=value)
