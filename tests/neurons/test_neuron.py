"""What holds for every neuron: static input, no state between calls, causality, precision, compilation."""

import jaxtyping
import pytest
import torch
from torch import Tensor

from spikedistill.neurons import IF, LIF, PLIF, ATan, GradedReLU, Neuron, ReLU, Sigmoid, Triangle, spread

NEURONS: list[Neuron] = [
    IF(),
    IF(reset=None, surrogate=ATan()),
    IF(threshold=0.7, reset=-0.3, detach_reset=True),
    LIF(),
    LIF(reset=None, decay_input=False, tau=3.0, surrogate=Triangle()),
    LIF(reset=0.2, tau=1.3),
    PLIF(),
    PLIF(reset=None, decay_input=False, init_tau=1.5),
    GradedReLU(),
]
every = pytest.mark.parametrize("neuron", NEURONS, ids=repr)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return 0.5 + 1.5 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@every
def test_static_input_equals_its_copies(neuron):
    act = neuron.build()
    once = normal(1, 3, 4).requires_grad_()
    copies = once.detach().repeat(6, 1, 1).requires_grad_()
    output, expected = act(once, steps=6), act(copies)
    assert torch.equal(output, expected)
    assert 0 < output.count_nonzero() < output.numel()
    weights = normal(6, 3, 4, seed=1)
    output.backward(weights)
    expected.backward(weights)
    torch.testing.assert_close(once.grad, copies.grad.sum(0, keepdim=True), rtol=1e-5, atol=1e-6)


@every
def test_steps_of_a_sequence_are_its_own(neuron):
    x = normal(5, 2, 3)
    assert torch.equal(neuron.build()(x, steps=5), neuron.build()(x))


@every
def test_nothing_is_kept_between_calls(neuron):
    act = neuron.build()
    x, other = normal(5, 2, 3), 3 * normal(7, 4, 2, seed=1)
    first = act(x)
    act(other)
    assert torch.equal(act(x), first)
    assert not list(act.buffers())


@every
def test_output_depends_on_the_past_alone(neuron):
    act = neuron.build()
    x = normal(8, 2, 3)
    for t in range(1, 9):
        assert torch.equal(act(x[:t]), act(x)[:t])


@every
def test_elements_do_not_mix(neuron):
    act = neuron.build()
    x = normal(4, 5, 2, 3)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(act(x[:, order]), act(x)[:, order])


@every
def test_bfloat16_currents_meet_a_float32_membrane(neuron):
    x = normal(16, 8, 8).bfloat16()
    act = neuron.build()
    output = act(x)
    assert output.dtype == torch.bfloat16
    assert torch.equal(output, act(x.float()).bfloat16())


@every
def test_gradient_of_bfloat16_currents_is_that_of_float32_rounded(neuron):
    act = neuron.build()
    x = normal(8, 4, 4).bfloat16().requires_grad_()
    y = x.detach().float().requires_grad_()
    weights = normal(8, 4, 4, seed=1).bfloat16()
    act(x).backward(weights)
    act(y).backward(weights.float())
    assert torch.equal(x.grad, y.grad.bfloat16())


@every
def test_channels_last_stays_channels_last(neuron):
    x = normal(3, 2, 4, 5, 6)
    folded = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    output = neuron.build()(folded.unflatten(0, (3, 2)))
    assert torch.equal(output, neuron.build()(x))
    assert output.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


# Dynamo itself instantiates torch.autograd.Function, against torch's own advice.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_dynamo_traces_neurons_whole_and_more_than_one_in_a_process(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # dynamo cannot see through the checks of shapes
    torch.compiler.reset()
    # From the second model on, dynamo takes the numbers that changed for variables.
    alphas = [IF(), IF(surrogate=Sigmoid(2.0)), IF(threshold=0.7, surrogate=Sigmoid(3.0))]
    for neuron in [*alphas, LIF(tau=3.0), LIF(tau=1.5, reset=None), PLIF(surrogate=ATan()), GradedReLU()]:
        act = neuron.build()
        x = normal(3, 2, 4).requires_grad_()
        y = x.detach().clone().requires_grad_()
        output, expected = torch.compile(act, backend="eager", fullgraph=True)(x), act(y)
        assert torch.equal(output, expected)
        output.sum().backward()
        expected.sum().backward()
        torch.testing.assert_close(x.grad, y.grad, rtol=1e-6, atol=1e-7)


def test_relu_answers_equal_currents_once():
    x = normal(1, 2, 3)
    assert torch.equal(ReLU().build()(x, steps=4), torch.relu(x))
    assert not ReLU().spiking


@pytest.mark.parametrize("neuron", [IF(), LIF(), GradedReLU(), ReLU()], ids=repr)
def test_most_neurons_learn_nothing(neuron):
    assert not list(neuron.build().parameters())


def test_plif_learns_one_scalar_per_layer():
    first, second = PLIF().build(), PLIF().build()
    assert [name for name, _ in first.named_parameters()] == ["w"]
    assert first.w.shape == ()
    assert first.w is not second.w


def test_layer_shows_its_neuron():
    assert repr(LIF(tau=3.0)) in repr(LIF(tau=3.0).build())


@pytest.mark.parametrize("steps", [1, 2, 4, 6])
def test_spread_refuses_other_numbers_of_steps(steps):
    with pytest.raises(ValueError, match=rf"has 3 time steps; asked were {steps}\. Allowed: 1 or {steps}\."):
        spread(normal(3, 2), steps)


@pytest.mark.parametrize("steps", [0, -1])
@pytest.mark.parametrize("given", [1, 3])
def test_spread_refuses_less_than_one_step(given, steps):
    with pytest.raises(ValueError, match=rf"{steps} time steps\. Allowed: 1 or more\."):
        spread(normal(given, 2), steps)


def test_spread_copies_nothing():
    x = normal(1, 2)
    assert spread(x, 5).shape == (5, 2)
    assert spread(x, 5).data_ptr() == x.data_ptr()
    assert spread(x, None) is x
