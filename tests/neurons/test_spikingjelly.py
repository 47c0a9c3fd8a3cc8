"""IF, LIF and PLIF against SpikingJelly 2.0.0: spikes bit for bit, gradients to 1e-6 of their scale.

On a CPU, SpikingJelly runs float32 through its own operators, whose backward pass is written out by hand, and float64
through its readable reference and autograd.
"""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikedistill.neurons import (
    IF,
    LIF,
    PLIF,
    Activation,
    ATan,
    Erf,
    PiecewiseQuadratic,
    Sigmoid,
    SoftSign,
    SuperSpike,
    Surrogate,
    Triangle,
)

SAME_NAME = (Sigmoid, ATan, PiecewiseQuadratic, SoftSign, SuperSpike, Erf)
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


@dataclass(frozen=True)
class Case:
    """One random neuron, its surrogate on both sides, and where its input comes from."""

    shape: tuple[int, ...]
    threshold: float
    reset: float | None
    v_init: float | None
    detach_reset: bool
    tau: float
    decay_input: bool
    surrogate: Surrogate
    oracle_surrogate: tuple[str, float]
    on_grid: bool
    seed: int

    def currents(self, dtype: torch.dtype) -> Tensor:
        """Currents around the threshold; on a grid of 1/8, so that potentials meet the threshold exactly."""
        generator = torch.Generator().manual_seed(self.seed)
        x = self.threshold * (0.4 + 1.2 * torch.randn(self.shape, generator=generator))
        x = (x * 8).round() / 8 if self.on_grid else x
        return x.to(dtype).requires_grad_()

    def weights(self, dtype: torch.dtype) -> Tensor:
        """Gradient of a loss with respect to the spikes."""
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(self.seed + 1)).to(dtype)

    def common(self) -> dict[str, object]:
        """The fields that IF, LIF and PLIF share."""
        return {
            "threshold": self.threshold,
            "reset": self.reset,
            "v_init": self.v_init,
            "detach_reset": self.detach_reset,
            "surrogate": self.surrogate,
        }


@st.composite
def surrogates(draw: st.DrawFn) -> tuple[Surrogate, tuple[str, float]]:
    """One of the seven, and the name and alpha of the same function in SpikingJelly.

    The triangle's alpha is a power of two: else 1 / alpha is rounded, and near the edges of the support the two
    formulas, alpha (1 - |x| / (1 / alpha)) and alpha - alpha^2 |x|, have no digits in common.
    """
    kind = draw(st.sampled_from([*SAME_NAME, Triangle]))
    if kind is Triangle:
        alpha = draw(st.sampled_from([0.5, 1.0, 2.0, 4.0]))
        return Triangle(height=alpha, width=1 / alpha), ("PiecewiseQuadratic", alpha)
    alpha = draw(st.floats(0.25, 6.0))
    return kind(alpha), (kind.__name__, alpha)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """T from 1 to 16, one to three further dimensions, any parameters of the neuron."""
    on_grid = draw(st.booleans())
    threshold = draw(st.sampled_from([0.5, 1.0, 1.5]) if on_grid else st.floats(0.1, 2.0))
    below = st.sampled_from([-0.5, 0.25]) if on_grid else st.floats(-1.0, 0.9 * threshold)
    surrogate, oracle_surrogate = draw(surrogates())
    return Case(
        shape=(draw(st.integers(1, 16)), *draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))),
        threshold=threshold,
        reset=draw(st.none() | st.just(0.0) | below),
        v_init=draw(st.none() | (below if on_grid else st.floats(-2.0, 0.99 * threshold))),
        detach_reset=draw(st.booleans()),
        tau=draw(st.sampled_from([2.0, 4.0]) if on_grid else st.floats(1.05, 20.0)),
        decay_input=draw(st.booleans()),
        surrogate=surrogate,
        oracle_surrogate=oracle_surrogate,
        on_grid=on_grid,
        seed=draw(st.integers(0, 2**31)),
    )


def node(spikingjelly, kind: str, case: Case, **own) -> torch.nn.Module:
    """SpikingJelly's node for a case."""
    name, alpha = case.oracle_surrogate
    made: torch.nn.Module = getattr(spikingjelly.neuron, kind)(
        v_threshold=case.threshold,
        v_reset=case.reset,
        surrogate_function=getattr(spikingjelly.surrogate, name)(alpha=alpha),
        detach_reset=case.detach_reset,
        step_mode="m",
        **own,
    )
    if case.v_init is not None:
        made.v = case.v_init
    return made


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float, scale: float) -> None:
    """Equal within `tolerance` of `scale`."""
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=tolerance * scale)


def assert_same(ours: Activation, theirs: torch.nn.Module, case: Case, dtype: torch.dtype) -> None:
    """Spikes bit for bit; gradient of the currents to the tolerance of its largest value."""
    x, y = case.currents(dtype), case.currents(dtype)
    spikes, expected = ours(x), theirs(y)
    assert spikes.dtype == dtype
    assert torch.equal(spikes, expected)
    spikes.backward(case.weights(dtype))
    expected.backward(case.weights(dtype))
    assert_close(x.grad, y.grad, TOLERANCE[dtype], scale=y.grad.abs().max().item())


def summed_magnitude(neuron: PLIF, w: Tensor, case: Case, dtype: torch.dtype) -> float:
    """Sum of the absolute values of what every step of every neuron adds to the gradient of w."""
    own = w.detach().expand(case.shape).clone().requires_grad_()
    v = torch.full(case.shape[1:], neuron.start(), dtype=dtype)
    spikes = []
    for x_t, w_t in zip(case.currents(dtype), own, strict=True):
        spike, v = neuron.step(v, x_t, {"w": w_t})
        spikes.append(spike)
    torch.stack(spikes).backward(case.weights(dtype))
    return own.grad.abs().sum().item()


both = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
few = settings(max_examples=60, deadline=None, derandomize=True)


@both
@few
@given(case=cases())
def test_if(spikingjelly, dtype, case):
    assert_same(IF(**case.common()).build(), node(spikingjelly, "IFNode", case), case, dtype)


@both
@few
@given(case=cases())
def test_lif(spikingjelly, dtype, case):
    ours = LIF(**case.common(), tau=case.tau, decay_input=case.decay_input).build()
    theirs = node(spikingjelly, "LIFNode", case, tau=case.tau, decay_input=case.decay_input)
    assert_same(ours, theirs, case, dtype)


@both
@few
@given(case=cases())
def test_plif(spikingjelly, dtype, case):
    neuron = PLIF(**case.common(), init_tau=case.tau, decay_input=case.decay_input)
    ours = neuron.build().to(dtype)
    theirs = node(spikingjelly, "ParametricLIFNode", case, init_tau=case.tau, decay_input=case.decay_input).to(dtype)
    assert torch.equal(ours.w, theirs.w)
    assert_same(ours, theirs, case, dtype)
    assert_close(ours.w.grad, theirs.w.grad, TOLERANCE[dtype], summed_magnitude(neuron, ours.w, case, dtype))


@pytest.mark.parametrize("threshold", [1.0, 0.3, 0.1 + 0.2, 1 / 3])
def test_potential_that_meets_the_threshold_fires(spikingjelly, threshold):
    # Most of these thresholds are rounded in float32: h equals the rounded one.
    hit = torch.tensor(threshold)
    x = torch.stack([torch.nextafter(hit, torch.tensor(0.0)), hit, torch.nextafter(hit, torch.tensor(9.0))]).view(1, 3)
    spikes = IF(threshold=threshold).build()(x)
    assert spikes.tolist() == [[0.0, 1.0, 1.0]]
    assert torch.equal(spikes, spikingjelly.neuron.IFNode(v_threshold=threshold, step_mode="m")(x))


@few
@given(case=cases())
def test_bfloat16_currents_with_a_float32_membrane(spikingjelly, case):
    x = case.currents(torch.bfloat16).detach()
    ours = LIF(**case.common(), tau=case.tau, decay_input=case.decay_input)
    name, alpha = case.oracle_surrogate
    expected, _, _ = spikingjelly.functional.lif_multi_step(
        x,
        torch.full(case.shape[1:], ours.start()),
        tau=case.tau,
        decay_input=case.decay_input,
        v_threshold=case.threshold,
        v_reset=case.reset,
        surrogate_function=getattr(spikingjelly.surrogate, name)(alpha=alpha),
    )
    spikes = ours.build()(x)
    assert spikes.dtype == torch.bfloat16
    assert torch.equal(spikes, expected)
