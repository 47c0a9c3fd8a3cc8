"""IF, LIF and PLIF against closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spikedistill.neurons import IF, LIF, PLIF, ATan, ReLU

some = settings(max_examples=50, deadline=None, derandomize=True)


@pytest.mark.parametrize("threshold", [0.5, 1.0, 2.0])
def test_if_with_soft_reset_counts_how_often_the_threshold_fits_into_the_input(threshold):
    k = torch.arange(17)
    x = (k / 16 * threshold).expand(1, 17)  # from 0 to the threshold, exact in binary
    spikes = IF(threshold=threshold, reset=None).build()(x, steps=40)
    t = torch.arange(1, 41).unsqueeze(1)
    assert torch.equal(spikes.cumsum(0), (t * k // 16).float())


def test_if_with_hard_reset_fires_whenever_the_threshold_is_reached_anew():
    k = torch.arange(1, 17)
    spikes = IF(threshold=1.0).build()((k / 16).expand(1, 16), steps=40)
    interval = -(-16 // k)
    t = torch.arange(1, 41).unsqueeze(1)
    assert torch.equal(spikes, (t % interval == 0).float())


def test_soft_reset_fires_once_per_step_at_most():
    spikes = IF(reset=None).build()(torch.tensor([[3.0], [0.0], [0.0], [0.0]]))
    assert spikes.flatten().tolist() == [1.0, 1.0, 1.0, 0.0]


@some
@given(
    tau=st.floats(1.1, 20.0),
    reset=st.floats(-1.0, 0.5),
    current=st.floats(0.2, 5.0),
    decay_input=st.booleans(),
)
def test_interval_between_the_spikes_of_lif(tau, reset, current, decay_input):
    # n steps after a reset: h - reset = drive * (1 - (1 - 1 / tau)^n).
    drive = current if decay_input else current * tau
    distance = 1.0 - reset
    if drive > distance:
        exact = math.log(1 - distance / drive) / math.log(1 - 1 / tau)
        interval = math.ceil(exact)
        assume(abs(exact - round(exact)) > 1e-6)
    else:
        assume(drive < 0.999 * distance)
        interval = 1000
    neuron = LIF(reset=reset, tau=tau, decay_input=decay_input)
    spikes = neuron.build()(torch.full((1, 1), current, dtype=torch.float64), steps=60)
    assert spikes.flatten().tolist() == [float(t % interval == 0) for t in range(1, 61)]


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("reset", [0.0, -0.4])
def test_lif_at_rest_stays_at_rest(reset, decay_input):
    neuron = LIF(reset=reset, decay_input=decay_input)
    v = torch.full((3,), neuron.rest())
    _, after = neuron.step(v, torch.zeros(3), {})
    assert torch.equal(after, v)


@pytest.mark.parametrize("neuron", [IF(), LIF(), PLIF()], ids=str)
@pytest.mark.parametrize("reset", [None, 0.0, -0.4])
def test_the_first_step_begins_at_v_init_and_no_other_does(neuron, reset):
    started = replace(neuron, reset=reset, v_init=0.75)
    x = 0.8 * torch.randn(6, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spikes, act = started.build().double()(x), started.build().double()
    leak = 0.0 if type(neuron) is IF else 0.5
    rest, v = reset or 0.0, np.full(50, 0.75)
    for current, spike in zip(x.numpy(), spikes.detach().numpy(), strict=True):
        h = v - leak * (v - rest) + (leak or 1.0) * current
        fires = h >= 1.0
        v = np.where(fires, h - 1.0 if reset is None else reset, h)
        assert np.array_equal(fires, spike == 1.0)
    assert not torch.equal(act(x), replace(started, v_init=None).build().double()(x))


def test_v_init_at_rest_is_the_default():
    x = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    for reset, rest in ((None, 0.0), (-0.5, -0.5)):
        assert torch.equal(LIF(reset=reset, v_init=rest).build()(x), LIF(reset=reset).build()(x))


@pytest.mark.parametrize("detach_reset", [True, False])
@pytest.mark.parametrize("reset", [None, 0.0, -0.4])
@pytest.mark.parametrize("x0", [0.3, 0.9, 1.7])
@pytest.mark.parametrize("decay_input", [True, False])
def test_gradient_of_the_second_spike_with_respect_to_the_first_current(x0, reset, detach_reset, decay_input):
    tau, threshold, surrogate = 1.6, 0.7, ATan()
    neuron = LIF(threshold, reset, detach_reset, surrogate, tau, decay_input)
    x = torch.tensor([[x0], [0.5]], dtype=torch.float64, requires_grad=True)
    neuron.build()(x)[1].sum().backward()

    def slope(h: float) -> float:
        return surrogate.gradient(torch.tensor(h - threshold, dtype=torch.float64)).item()

    rest, leak, gain = reset or 0.0, 1 - 1 / tau, 1 / tau if decay_input else 1.0
    h0 = rest + gain * x0
    fired = float(h0 >= threshold)
    if reset is None:
        v0 = h0 - fired * threshold
        dv0 = 1.0 if detach_reset else 1.0 - threshold * slope(h0)
    else:
        v0 = reset if fired else h0
        dv0 = 1.0 - fired if detach_reset else 1.0 - fired + (reset - h0) * slope(h0)
    h1 = rest + leak * (v0 - rest) + gain * 0.5
    assert x.grad.flatten().tolist() == pytest.approx([slope(h1) * leak * dv0 * gain, slope(h1) * gain], rel=1e-12)


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("reset", [None, 0.0, 0.25])
def test_plif_before_training_is_lif(reset, decay_input):
    x = 1.5 * torch.randn(9, 3, 4, generator=torch.Generator().manual_seed(0))
    plif = PLIF(reset=reset, init_tau=2.0, decay_input=decay_input).build()
    assert plif.w.item() == 0.0  # sigmoid(0) is exactly 1 / 2
    assert torch.equal(plif(x), LIF(reset=reset, tau=2.0, decay_input=decay_input).build()(x))


@pytest.mark.parametrize("init_tau", [1.05, 2.0, 7.5, 100.0])
def test_plif_starts_at_its_time_constant(init_tau):
    assert 1 / torch.sigmoid(PLIF(init_tau=init_tau).build().w).item() == pytest.approx(init_tau, rel=1e-5)


def test_relu_is_relu_of_any_shape():
    x = torch.tensor([[[-1.0, 0.0], [0.5, 2.0]]], requires_grad=True)
    y = ReLU().build()(x)
    assert y.tolist() == [[[0.0, 0.0], [0.5, 2.0]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[0.0, 0.0], [1.0, 1.0]]]
