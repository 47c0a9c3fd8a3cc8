"""IF and LIF against snnTorch 1.0.0's Leaky, where it is the same neuron.

snnTorch charges with h = beta * v + x: `LIF(tau=1 / (1 - beta), decay_input=False)`, and for beta = 1 - 2^-k both
round to the same number. It fires on h > threshold, so the threshold of these tests is off the grid of their currents.
Its reset is either a step late, and then it passes no gradient (`detach_reset=True`), or immediate, and then it does.
A late subtraction is not subject to the leak, which is another neuron unless beta is 1; an immediate one is followed by
a second where h exceeds two thresholds, so those currents stay below the threshold.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikedistill.neurons import IF, LIF, ATan, Neuron, Sigmoid, SoftSign, SuperSpike

SURROGATES = [
    (ATan(2.0), "atan", 2.0),
    (ATan(0.7), "atan", 0.7),
    (Sigmoid(2.0), "sigmoid", 2.0),
    (SuperSpike(1.0), "fast_sigmoid", 1.0),
    (SoftSign(2.0), "fast_sigmoid", 2.0),
]
THRESHOLD = 1.0 + 2**-16  # off the grid of the currents


def currents(shape: tuple[int, ...], seed: int, below: float = 4.0) -> Tensor:
    """Multiples of 1/8 from -1 to `below`, so that a potential that meets the threshold is most unlikely."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randint(-8, int(8 * below), shape, generator=generator) / 8).requires_grad_()


def run_leaky(leaky: torch.nn.Module, x: Tensor) -> Tensor:
    """Spikes of all steps."""
    v = torch.zeros_like(x[0])
    spikes = []
    for x_t in x:
        spike, v = leaky(x_t, v)
        spikes.append(spike)
    return torch.stack(spikes)


def assert_same(neuron: Neuron, leaky: torch.nn.Module, x: Tensor) -> None:
    """Spikes bit for bit, and the gradient of the currents to 1e-6 of its largest value, or of 1 if that is less.

    Far from the threshold the sigmoid's two formulas agree to a share of its peak, not of its value there.
    """
    y = x.detach().clone().requires_grad_()
    spikes, expected = neuron.build()(x), run_leaky(leaky, y)
    assert 0 < spikes.sum() < spikes.numel()
    assert torch.equal(spikes, expected)
    weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(7))
    spikes.backward(weights)
    expected.backward(weights)
    scale = max(1.0, y.grad.abs().max().item())
    torch.testing.assert_close(x.grad, y.grad, rtol=0.0, atol=1e-6 * scale)


some = settings(max_examples=25, deadline=None, derandomize=True)
betas = st.sampled_from([0.5, 0.75, 0.875])
steps = st.integers(1, 8)
seeds = st.integers(0, 2**31)
surrogates = pytest.mark.parametrize(("surrogate", "name", "slope"), SURROGATES)


@surrogates
@some
@given(beta=betas, T=steps, seed=seeds)
def test_lif_with_late_reset_to_zero(snntorch, surrogate, name, slope, beta, T, seed):
    grad = getattr(snntorch.surrogate, name)(slope)
    leaky = snntorch.Leaky(beta, threshold=THRESHOLD, spike_grad=grad, reset_mechanism="zero", reset_delay=True)
    neuron = LIF(threshold=THRESHOLD, tau=1 / (1 - beta), decay_input=False, detach_reset=True, surrogate=surrogate)
    assert_same(neuron, leaky, currents((T, 4, 8), seed))


@surrogates
@some
@given(beta=betas, T=steps, seed=seeds)
def test_lif_with_immediate_reset_to_zero(snntorch, surrogate, name, slope, beta, T, seed):
    grad = getattr(snntorch.surrogate, name)(slope)
    leaky = snntorch.Leaky(beta, threshold=THRESHOLD, spike_grad=grad, reset_mechanism="zero", reset_delay=False)
    neuron = LIF(threshold=THRESHOLD, tau=1 / (1 - beta), decay_input=False, surrogate=surrogate)
    assert_same(neuron, leaky, currents((T, 4, 8), seed))


@surrogates
@some
@given(beta=betas, T=st.integers(2, 8), seed=seeds)
def test_lif_with_immediate_subtraction(snntorch, surrogate, name, slope, beta, T, seed):
    grad = getattr(snntorch.surrogate, name)(slope)
    leaky = snntorch.Leaky(beta, threshold=THRESHOLD, spike_grad=grad, reset_mechanism="subtract", reset_delay=False)
    neuron = LIF(threshold=THRESHOLD, reset=None, tau=1 / (1 - beta), decay_input=False, surrogate=surrogate)
    assert_same(neuron, leaky, currents((T, 8, 32), seed, below=1.0))


@surrogates
@some
@given(T=steps, seed=seeds)
def test_if_with_late_subtraction(snntorch, surrogate, name, slope, T, seed):
    grad = getattr(snntorch.surrogate, name)(slope)
    leaky = snntorch.Leaky(1.0, threshold=THRESHOLD, spike_grad=grad, reset_mechanism="subtract", reset_delay=True)
    neuron = IF(threshold=THRESHOLD, reset=None, detach_reset=True, surrogate=surrogate)
    assert_same(neuron, leaky, currents((T, 4, 8), seed))
