import copy
import math

import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import DistillingSpikes, Signals, VanillaKD

T, B, K = 6, 5, 7
EDGES = ["valid", "truncated"]


@pytest.fixture
def pair(draw):
    return draw(0, T=T, B=B, K=K, teacher_T=T)


def term(name, batch, **fields):
    shares = {"l1": (1.0, 0.0, 0.0), "l2": (0.0, 1.0, 0.0), "kl": (0.0, 0.0, 1.0)}[name]
    student, teacher, labels = batch.signals()
    losses = DistillingSpikes(*shares, **fields).losses(student, teacher, labels)
    assert list(losses) == [name]
    losses[name].backward()
    return losses[name].item(), student.logits.grad.numpy()


def slices(d, window, stride, edges):
    """Eq. (9), as it is printed: d[i : i + window] of each sample and class, for each i."""
    last = T if edges == "truncated" else T - window + 1
    return [d[i : i + window, b, k] for i in range(0, last, stride) for b in range(B) for k in range(K)]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_full_losses_are_equation_8(pair, reduction):
    d = (pair.teacher - pair.student).ravel()
    count = len(d) if reduction == "mean" else 1
    full = {"l1": "full", "l2": "full", "reduction": reduction}
    assert term("l1", pair, **full)[0] == pytest.approx(np.abs(d).sum() / count, rel=1e-9)
    assert term("l2", pair, **full)[0] == pytest.approx((d**2).sum() / count, rel=1e-9)
    norm = np.linalg.norm(d) / math.sqrt(count)
    assert term("l2", pair, full_l2="norm", **full)[0] == pytest.approx(norm, rel=1e-9)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 1), (3, 3), (4, 2), (5, 1), (T, 1)])
def test_sliding_losses_are_equation_9(pair, window, stride, edges, reduction):
    parts = slices(pair.teacher - pair.student, window, stride, edges)
    count = len(parts) * window if reduction == "mean" else 1
    fields = {"window": window, "stride": stride, "edges": edges, "reduction": reduction}
    l1 = sum(np.abs(part).sum() for part in parts) / count
    assert term("l1", pair, **fields)[0] == pytest.approx(l1, rel=1e-9)
    for power, exponent in (("norm", 1), ("squared", 2)):
        l2 = sum(np.linalg.norm(part) ** exponent for part in parts) / count
        assert term("l2", pair, l2="sliding", sliding_l2=power, **fields)[0] == pytest.approx(l2, rel=1e-9)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 1), (4, 2), (5, 1), (T, 1)])
def test_rates_of_windows(pair, window, stride, edges, reduction):
    """One window at a time: sums over its steps, or means, of student and teacher."""
    parts = slices(pair.teacher - pair.student, window, stride, edges)
    rates = [part.sum() / (window if reduction == "mean" else 1) for part in parts]
    count = len(parts) if reduction == "mean" else 1
    fields = {"window": window, "stride": stride, "edges": edges, "reduction": reduction, "compared": "rates"}
    assert term("l1", pair, **fields)[0] == pytest.approx(np.abs(rates).sum() / count, rel=1e-9)
    for power, exponent in (("norm", 1), ("squared", 2)):
        l2 = sum(abs(rate) ** exponent for rate in rates) / count
        assert term("l2", pair, l2="sliding", sliding_l2=power, **fields)[0] == pytest.approx(l2, rel=1e-9)


def test_rates_let_a_spike_come_late():
    """Within a window; the steps' differences do not."""
    student, teacher = torch.zeros(4, 1, 1), torch.zeros(4, 1, 1)
    student[1] = teacher[2] = 1.0
    losses = [
        DistillingSpikes(1.0, 0.0, 0.0, compared=compared).losses(Signals(student), Signals(teacher), torch.tensor([0]))
        for compared in ("steps", "rates")
    ]
    assert [one["l1"].item() for one in losses] == [0.5, 0.0]


@pytest.mark.parametrize("window", [1, 2, 4, T])
def test_windows_of_stride_1_weigh_steps_by_how_many_hold_them(pair, window):
    """The gradient of sliding L1 is the sign of the difference, times min(t + 1, D, T - t, T - D + 1)."""
    weights = {
        "valid": [min(t + 1, window, T - t, T - window + 1) for t in range(T)],
        "truncated": [min(t + 1, window) for t in range(T)],
    }
    signs = np.sign(pair.student - pair.teacher)
    for edges in EDGES:
        gradient = term("l1", pair, window=window, edges=edges, reduction="sum")[1]
        np.testing.assert_allclose(gradient, signs * np.array(weights[edges])[:, None, None], rtol=1e-12)


def test_the_gradient_of_windows_norms(pair):
    """Of each window, the difference over its norm."""
    window, expected = 3, np.zeros((T, B, K))
    d = pair.student - pair.teacher
    for i in range(T - window + 1):
        part = d[i : i + window]
        expected[i : i + window] += part / np.linalg.norm(part, axis=0, keepdims=True)
    gradient = term("l2", pair, l2="sliding", window=window, reduction="sum")[1]
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


def test_a_window_as_long_as_t_is_the_full_loss(pair):
    assert term("l1", pair)[0] == pytest.approx(term("l1", pair, l1="full")[0], rel=1e-12)
    squared = term("l2", pair, l2="sliding", sliding_l2="squared", window=T)[0]
    assert squared == pytest.approx(term("l2", pair)[0], rel=1e-12)


@pytest.mark.parametrize("direction", ["reverse", "forward"])
def test_kl_is_equation_7_in_both_directions(pair, direction, oracle):
    q, p = oracle.softmax(pair.student), oracle.softmax(pair.teacher)
    a, b = (q, p) if direction == "reverse" else (p, q)
    expected = (a * np.log(a / b)).sum(axis=-1).mean()
    value, gradient = term("kl", pair, direction=direction)
    assert value == pytest.approx(expected, rel=1e-9)
    if direction == "reverse":
        log = np.log(q / p)
        by_logits = q * (log - (q * log).sum(axis=-1, keepdims=True))
    else:
        by_logits = q - p
    np.testing.assert_allclose(gradient, by_logits / (T * B), rtol=1e-7, atol=1e-12)


def test_equation_10_weighs_the_three(pair):
    method = DistillingSpikes(0.5, 0.2, 0.3, window=2)
    expected = 0.5 * term("l1", pair, window=2)[0] + 0.2 * term("l2", pair)[0] + 0.3 * term("kl", pair)[0]
    assert method.total(method.losses(*pair.signals())).item() == pytest.approx(expected, rel=1e-12)


def test_a_student_that_fires_like_its_teacher_has_neither_loss_nor_a_gradient_that_is_none(pair):
    student, _, labels = pair.signals()
    method = DistillingSpikes(l2="sliding", window=2)
    loss = method.total(method.losses(student, student, labels))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    assert student.logits.grad.abs().max() < 1e-12


@pytest.mark.parametrize("window", [1, 7, 32, 100])
def test_windows_of_long_trains_of_spikes(window):
    """As in the paper's figure 3: many windows hold no difference, and what is not a number is not hidden."""
    generator = torch.Generator().manual_seed(0)
    spikes = torch.randint(0, 2, (2, 100, 3, 4), generator=generator).float()
    spikes[:, 20:70, 0] = 0.0
    student, teacher = spikes[0].requires_grad_(), spikes[1]
    method = DistillingSpikes(0.0, 1.0, 0.0, l2="sliding", window=window)
    loss = method.losses(Signals(student), Signals(teacher), torch.zeros(3))["l2"]
    loss.backward()
    d = (teacher - student).detach().double().numpy()
    norms = [np.linalg.norm(d[i : i + window], axis=0) for i in range(100 - window + 1)]
    assert loss.item() == pytest.approx(np.mean(norms) / window, rel=1e-6)
    assert student.grad.isfinite().all()
    assert student.grad.any()
    with torch.no_grad():
        student[50, 0, 0] = math.nan
        assert method.losses(Signals(student), Signals(teacher), torch.zeros(3))["l2"].isnan()


def test_labels_are_not_looked_at(pair):
    student, teacher, labels = pair.signals()
    assert not DistillingSpikes.needs_labels
    method = DistillingSpikes()
    assert method.losses(student, teacher, labels) == method.losses(student, teacher, labels * 0)


def test_time_steps_are_not_interchangeable(pair):
    """It compares spike trains, not rates: the teacher's steps in another order are another target."""
    student, teacher, labels = pair.signals()
    method = DistillingSpikes()
    late = Signals(teacher.logits.flip(0))
    assert method.total(method.losses(student, late, labels)) != method.total(method.losses(student, teacher, labels))


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (0.0, 0.0, 0.0), (0.3, 0.3, 0.3)])
def test_shares_off_the_simplex_are_refused(shares):
    with pytest.raises(InputError, match="alpha, beta and gamma must add up to 1"):
        DistillingSpikes(*shares)


@pytest.mark.parametrize(
    "wrong", [{"alpha": -0.2}, {"gamma": 1.2}, {"beta": float("nan")}, {"window": 0}, {"stride": 0}]
)
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        DistillingSpikes(**wrong)


@pytest.mark.parametrize("field", ["l1", "l2", "full_l2", "sliding_l2", "compared", "edges", "reduction", "direction"])
def test_refuses_other_words(field):
    broken = copy.copy(DistillingSpikes())
    object.__setattr__(broken, field, "other")
    with pytest.raises(InputError, match=f"{field} must be one of"):
        broken.__post_init__()


def test_a_window_longer_than_t_is_refused(pair):
    with pytest.raises(InputError, match="A window of 7 steps is longer than the 6"):
        DistillingSpikes(window=7).losses(*pair.signals())


def test_other_steps_or_classes_are_refused(pair):
    student, _, labels = pair.signals()
    for shape in ((T - 1, B, K), (T, B, K + 1)):
        with pytest.raises(InputError, match="as many steps and the same classes"):
            DistillingSpikes().losses(student, Signals(torch.zeros(shape)), labels)


def test_a_teacher_is_needed(pair):
    student, _, labels = pair.signals()
    with pytest.raises(InputError, match="'distilling-spikes' needs a teacher"):
        DistillingSpikes().losses(student, None, labels)


def test_a_rate_that_agrees_is_not_enough(pair):
    """Vanilla KD on the mean of the logits has nothing to say here."""
    _, teacher, labels = pair.signals()
    student = Signals(teacher.logits.flip(0))
    assert VanillaKD(alpha=1.0).losses(student, teacher, labels)["kl"].item() == pytest.approx(0.0, abs=1e-12)
    assert DistillingSpikes().losses(student, teacher, labels)["l1"].item() > 0.1
