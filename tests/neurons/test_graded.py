"""The neuron of Distilling Spikes against a NumPy loop and against the public code whose constants it shares."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.neurons import IF, LIF, GradedReLU, ReLU

neurons = st.builds(GradedReLU, decay=st.floats(0.0, 1.0), threshold=st.floats(0.2, 3.0), penalty=st.floats(0.0, 4.0))
some = settings(max_examples=40, deadline=None, derandomize=True)


def currents(T: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.3 + 1.5 * torch.randn(T, 3, 5, generator=generator, dtype=torch.float64)


class SpikingNeuronLayerRNN(nn.Module):
    """The step of the public class of that name (G. Chevalier), with the input already weighted."""

    def __init__(self, decay_multiplier: float, threshold: float, penalty_threshold: float) -> None:
        super().__init__()
        self.decay_multiplier = decay_multiplier
        self.threshold = threshold
        self.penalty_threshold = penalty_threshold

    def forward(self, input_excitation: Tensor, prev_inner: Tensor) -> tuple[Tensor, Tensor]:
        inner_excitation = input_excitation + prev_inner * self.decay_multiplier
        outer_excitation = torch.relu(inner_excitation - self.threshold)
        do_penalize_gate = (outer_excitation > 0).to(inner_excitation.dtype)
        inner_excitation = (
            inner_excitation - (self.penalty_threshold / self.threshold * inner_excitation) * do_penalize_gate
        )
        return inner_excitation, outer_excitation


@some
@given(neuron=neurons, T=st.integers(1, 16), seed=st.integers(0, 2**31))
def test_numpy_loop(neuron, T, seed):
    x = currents(T, seed).numpy()
    inner, expected = np.zeros(x.shape[1:]), []
    for x_t in x:
        inner = x_t + neuron.decay * inner
        y = np.where(inner > neuron.threshold, inner - neuron.threshold, 0.0)
        inner = np.where(y > 0, (1 - neuron.penalty / neuron.threshold) * inner, inner)
        expected.append(y)
    np.testing.assert_allclose(neuron.build()(torch.from_numpy(x)).numpy(), np.stack(expected), rtol=1e-9, atol=1e-9)


@some
@given(neuron=neurons, T=st.integers(1, 16), seed=st.integers(0, 2**31))
def test_public_code(neuron, T, seed):
    x = currents(T, seed).requires_grad_()
    z = x.detach().clone().requires_grad_()
    ours = neuron.build()(x)
    layer = SpikingNeuronLayerRNN(neuron.decay, neuron.threshold, neuron.penalty)
    inner, outputs = torch.zeros_like(z[0]), []
    for z_t in z:
        inner, outer = layer(z_t, inner)
        outputs.append(outer)
    theirs = torch.stack(outputs)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    weights = currents(T, seed + 1)
    ours.backward(weights)
    theirs.backward(weights)
    scale = z.grad.abs().max().item()
    torch.testing.assert_close(x.grad, z.grad, rtol=0.0, atol=1e-12 * scale)


def test_a_spike_turns_the_excitation_negative():
    # 2 -> output 1, excitation 2 - 1.5 * 2 = -1; then 2 - 0.9 = 1.1 -> output 0.1.
    y = GradedReLU().build()(torch.tensor([[2.0], [2.0], [0.0]]))
    assert y.flatten().tolist() == pytest.approx([1.0, 0.1, 0.0], abs=1e-6)


def test_without_decay_and_penalty_it_integrates():
    x = torch.tensor([[0.25]])
    y = GradedReLU(decay=1.0, threshold=1.0, penalty=0.0).build()(x, steps=6)
    assert y.flatten().tolist() == [0.0, 0.0, 0.0, 0.0, 0.25, 0.5]


@some
@given(neuron=neurons, T=st.integers(1, 16), seed=st.integers(0, 2**31))
def test_its_inner_excitation_is_the_public_codes_state(neuron, T, seed):
    """After the penalty, of the same step (the public code returns that of the step before); with its gradient."""
    x = currents(T, seed).requires_grad_()
    z = x.detach().clone().requires_grad_()
    layer = SpikingNeuronLayerRNN(neuron.decay, neuron.threshold, neuron.penalty)
    inner, states = torch.zeros_like(z[0]), []
    for z_t in z:
        inner, _ = layer(z_t, inner)
        states.append(inner)
    ours, theirs = neuron.inner().build()(x), torch.stack(states)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    weights = currents(T, seed + 1)
    ours.backward(weights)
    theirs.backward(weights)
    scale = z.grad.abs().max().item()
    torch.testing.assert_close(x.grad, z.grad, rtol=0.0, atol=1e-12 * scale)


def test_neurons_without_an_inner_state_to_read_say_so():
    for neuron in (IF(), LIF(), ReLU()):
        with pytest.raises(InputError, match=f"{type(neuron).__name__} has no inner state to read out. Take Graded"):
            neuron.inner()


def test_gradient_is_the_derivative_away_from_the_kinks():
    x = torch.tensor([[2.0, 0.4, -1.0], [1.5, 0.9, 0.3], [2.2, 1.4, 3.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(GradedReLU().build(), (x,))
