import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikedistill.errors import InputError
from spikedistill.methods import TSER, Signals, VanillaKD


def total(method, batch):
    return method.total(method.losses(*batch.signals())).item()


def rows_of_table_3(oracle, batch, alpha, tau, penalty):
    """The five formulas, written out."""
    z, zbar, taught, y = batch.student, batch.mean, batch.target, batch.labels
    ce_mean, ce_steps = oracle.cross_entropy(zbar, y), oracle.cross_entropy(z, y)
    kl_mean, kl_steps = oracle.kl(taught, zbar, tau), oracle.kl(taught, z, tau)
    return [
        (TSER(alpha, tau, 0.0, 0.0, 0.0), (1 - alpha) * ce_mean + alpha * tau**2 * kl_mean),
        (TSER(alpha, tau, 0.0, 1.0, 0.0), (1 - alpha) * ce_steps + alpha * tau**2 * kl_mean),
        (TSER(alpha, tau, 0.0, 0.0, 1.0), (1 - alpha) * ce_mean + alpha * tau**2 * kl_steps),
        (TSER(alpha, tau, 0.0), (1 - alpha) * ce_steps + alpha * tau**2 * kl_steps),
        (
            TSER(alpha, tau, penalty),
            (1 - alpha) * ce_steps + alpha * tau**2 * kl_steps - penalty * oracle.entropy(z),
        ),
    ]


@given(
    seed=st.integers(0, 2**32 - 1),
    T=st.integers(1, 5),
    teacher_T=st.integers(1, 3),
    alpha=st.floats(0.0, 1.0),
    tau=st.floats(0.5, 20.0),
    penalty=st.floats(0.0, 1.0),
)
@settings(max_examples=30, deadline=None)
def test_all_five_rows_of_the_ablation(oracle, draw, seed, T, teacher_T, alpha, tau, penalty):
    batch = draw(seed, T=T, teacher_T=teacher_T)
    for method, expected in rows_of_table_3(oracle, batch, alpha, tau, penalty):
        assert total(method, batch) == pytest.approx(expected, rel=1e-8, abs=1e-10)


def test_the_five_rows_are_five_losses(oracle, draw):
    values = [expected for _, expected in rows_of_table_3(oracle, draw(0), 0.5, 5.0, 0.05)]
    assert min(abs(a - b) for i, a in enumerate(values) for b in values[:i]) > 1e-3


def test_terms_are_raw_and_named_and_have_weights(oracle, draw):
    batch = draw(1)
    method = TSER(alpha=0.25, temperature=2.0, entropy=0.1, entropy_temperature=3.0)
    losses = method.losses(*batch.signals())
    assert list(losses) == list(method.weights) == ["cross_entropy", "kl", "entropy"]
    assert losses["cross_entropy"].item() == pytest.approx(oracle.cross_entropy(batch.student, batch.labels))
    assert losses["kl"].item() == pytest.approx(oracle.kl(batch.target, batch.student, 2.0))
    assert losses["entropy"].item() == pytest.approx(oracle.entropy(batch.student, 3.0))
    assert list(method.weights.values()) == pytest.approx([0.75, 0.25 * 4.0, -0.1])


def test_a_share_of_separation_mixes_the_two_losses(draw):
    batch = draw(2)
    for field in ("separate_ce", "separate_kl"):
        none, some, full = (total(TSER(**{field: share}), batch) for share in (0.0, 0.3, 1.0))
        assert some == pytest.approx(0.7 * none + 0.3 * full, rel=1e-9)
        assert none < full


@pytest.mark.parametrize("separate", [0.0, 1.0])
@pytest.mark.parametrize("scale", ["tau_squared", "none"])
def test_is_plain_kd_exactly_at_one_step_without_entropy(draw, separate, scale):
    batch = draw(3, T=1, teacher_T=2)
    gradients = []
    for method in (
        TSER(0.4, 3.0, 0.0, separate, separate, scale=scale),
        VanillaKD(0.4, 3.0, scale=scale),
    ):
        student, teacher, labels = batch.signals(torch.float32)
        losses = method.losses(student, teacher, labels)
        method.total(losses).backward()
        gradients.append((losses, student.logits.grad))
    (tser, tser_gradient), (plain, plain_gradient) = gradients
    assert tser == plain
    assert torch.equal(tser_gradient, plain_gradient)


def test_tau_squared_is_the_only_effect_of_scale(draw):
    signals = draw(4).signals()
    with_factor, literal = (TSER(scale=scale) for scale in ("tau_squared", "none"))
    assert with_factor.losses(*signals) == literal.losses(*signals)
    assert with_factor.weights == {**literal.weights, "kl": 25.0 * literal.weights["kl"]}


def test_the_entropy_term_rewards_uncertainty(draw):
    """Of two students the less certain has the smaller loss, and a step down the gradient makes one less certain."""
    batch = draw(5)
    student, teacher, labels = batch.signals()
    sure = Signals(3.0 * student.logits)
    less_sure, more_sure = (TSER().losses(one, teacher, labels)["entropy"] for one in (student, sure))
    assert less_sure > more_sure > 0 > TSER().weights["entropy"]


def test_a_larger_lambda_leaves_more_entropy_after_a_step(oracle, draw):
    batch = draw(6)
    after = []
    for penalty in (0.0, 0.05, 0.5):
        student, teacher, labels = batch.signals()
        method = TSER(entropy=penalty)
        method.total(method.losses(student, teacher, labels)).backward()
        after.append(oracle.entropy((student.logits - student.logits.grad).detach().numpy()))
    assert after[0] < after[1] < after[2]


def test_too_large_a_lambda_makes_the_loss_negative(draw):
    """As the paper warns."""
    batch = draw(7, scale=0.1)
    assert total(TSER(entropy=5.0), batch) < 0


def test_a_term_without_weight_is_left_out(draw):
    signals = draw(8).signals()
    assert list(TSER(alpha=0.0, entropy=0.0).losses(*signals)) == ["cross_entropy"]
    assert list(TSER(alpha=1.0).losses(*signals)) == ["kl", "entropy"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 2.0},
        {"temperature": 0.0},
        {"entropy": -0.1},
        {"separate_ce": 1.5},
        {"separate_kl": -1.0},
        {"entropy_temperature": 0.0},
    ],
)
def test_refuses(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must"):
        TSER(**wrong)
