import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import HTAKL, Signals
from spikedistill.methods.divergences import kl_divergence
from spikedistill.methods.hta_kl import head_tail_kl


def share(p, q, threshold):
    """h, one pair of distributions at a time, class by class."""
    order = sorted(range(len(p)), key=lambda k: -p[k])
    head, cumulative = [order[0]], p[order[0]]
    for k in order[1:]:
        cumulative += p[k]
        if cumulative <= threshold:
            head.append(k)
    gaps = abs(p - q)
    return gaps[head].sum() / gaps.sum()


def divergence(oracle, target, z, threshold, tau, held=None):
    """mean of h KL(p || q) + (1 - h) KL(q || p), h of `held` where given."""
    p, q = oracle.softmax(target, tau), oracle.softmax(z, tau)
    of = q if held is None else oracle.softmax(held, tau)
    values = []
    for t, b in np.ndindex(z.shape[:2]):
        h = share(p[b], of[t, b], threshold)
        forward = (p[b] * np.log(p[b] / q[t, b])).sum()
        reverse = (q[t, b] * np.log(q[t, b] / p[b])).sum()
        values.append(h * forward + (1 - h) * reverse)
    return np.mean(values)


@pytest.mark.parametrize("read", ["steps", "mean"])
@pytest.mark.parametrize(("seed", "scale"), [(0, 3.0), (1, 0.3), (2, 1.0)])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
def test_is_the_adaptive_divergence(oracle, draw, read, seed, scale, threshold):
    """At small scales the head has several classes, at large ones the first alone."""
    batch = draw(seed, T=3, teacher_T=2, scale=scale)
    method = HTAKL(weight=0.8, threshold=threshold, temperature=2.0, read=read)
    losses = method.losses(*batch.signals())
    z = batch.student if read == "steps" else batch.mean
    own = divergence(oracle, batch.target, z, threshold, 2.0)
    hard = oracle.cross_entropy(z, batch.labels)
    assert losses["head_tail_kl"].item() == pytest.approx(own, rel=1e-8)
    assert method.total(losses).item() == pytest.approx(hard + 0.8 * 4.0 * own, rel=1e-8)


def test_gradient_is_that_of_finite_differences_with_the_mixture_held(oracle, draw):
    batch = draw(3, T=2, B=3, K=5, scale=1.0)
    student, teacher, labels = batch.signals()
    HTAKL().losses(student, teacher, labels)["head_tail_kl"].backward()
    z, numeric = batch.student.copy(), np.zeros_like(batch.student)
    for at in np.ndindex(z.shape):
        kept, values = z[at], []
        for step in (1e-5, -1e-5):
            z[at] = kept + step
            values.append(divergence(oracle, batch.target, z, 0.5, 1.0, batch.student))
        z[at] = kept
        numeric[at] = (values[0] - values[1]) / 2e-5
    np.testing.assert_allclose(student.logits.grad.numpy(), numeric, rtol=1e-5, atol=1e-8)


def test_a_head_by_hand():
    """p = 0.4, 0.3, 0.2, 0.1: at most 0.75 are the first two, and at most 0.3 is the first, which always counts."""
    p = torch.tensor([[[0.4, 0.3, 0.2, 0.1]]]).double()
    q = torch.tensor([[[0.1, 0.2, 0.3, 0.4]]]).double()  # gaps 0.3, 0.1, 0.1, 0.3
    z = (Signals(q.log()), Signals(p.log()), torch.tensor([0]))
    forward, reverse = (p * (p / q).log()).sum().item(), (q * (q / p).log()).sum().item()
    for threshold, head in ((0.75, 0.5), (0.3, 0.375), (0.95, 0.625)):
        loss = HTAKL(threshold=threshold).losses(*z)["head_tail_kl"].item()
        assert loss == pytest.approx(head * forward + (1 - head) * reverse)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_with_threshold_1_all_classes_are_head_however_their_sum_is_rounded(dtype):
    """So that only the forward divergence is left."""
    teacher, student = 3 * torch.randn(2, 1, 200, 30, dtype=dtype, generator=torch.Generator().manual_seed(0))
    assert (teacher.softmax(-1).sort(dim=-1, descending=True).values.cumsum(-1) > 1.0).any()
    torch.testing.assert_close(head_tail_kl(teacher, student, 1.0), kl_divergence(teacher, student))


def test_a_student_that_equals_its_teacher_has_no_loss_and_no_gradient(draw):
    _, teacher, labels = draw(4).signals(torch.float32)
    same = teacher.logits.clone().requires_grad_()
    loss = HTAKL().losses(Signals(same), teacher, labels)["head_tail_kl"]
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert same.grad.abs().max() < 1e-6


def test_a_term_without_weight_is_left_out(draw):
    assert list(HTAKL(weight=0.0).losses(*draw(5).signals())) == ["cross_entropy"]


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"threshold": 1.5}, {"temperature": 0.0}])
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        HTAKL(**wrong)
