"""The backward pass on rates against its derivation in float64 NumPy, which carries derivatives forward."""

import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.neurons import (
    IF,
    LIF,
    PLIF,
    GradedReLU,
    Norm,
    ReLU,
    average_gradient,
    averages,
    backward_pass,
    norm_act,
)

NEURONS = [
    IF(),
    IF(detach_reset=True),
    IF(reset=None, threshold=0.7),
    IF(v_init=0.6),
    LIF(tau=3.0),
    LIF(tau=3.0, v_init=-0.5, reset=None),
    LIF(tau=1.5, decay_input=False, reset=None, detach_reset=True),
]


def rate_and_slope(neuron: IF, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Firing rates, and their derivative with respect to a current that is added in every step."""
    q = 1.0 / neuron.tau if isinstance(neuron, LIF) else None
    gain = q if q is not None and neuron.decay_input else 1.0
    keeps = 1.0 if q is None else 1.0 - q
    v, dv = np.full(x.shape[1:], neuron.start()), np.zeros(x.shape[1:])
    rate, slope = np.zeros_like(v), np.zeros_like(v)
    for current in x:
        h, dh = keeps * v + gain * current, keeps * dv + gain
        fires = (h >= neuron.threshold).astype(float)
        sigmoid = 1.0 / (1.0 + np.exp(-4.0 * (h - neuron.threshold)))
        spike = 4.0 * sigmoid * (1.0 - sigmoid) * dh
        through = 0.0 if neuron.detach_reset else spike
        if neuron.reset is None:
            v, dv = h - fires * neuron.threshold, dh - through * neuron.threshold
        else:
            v, dv = (1.0 - fires) * h, (1.0 - fires) * dh - through * h
        rate += fires / len(x)
        slope += spike / len(x)
    return rate, slope


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize("steps", [1, 4, 9])
def test_the_gradient_is_the_rates_slope(neuron, steps):
    generator = torch.Generator().manual_seed(steps)
    x = torch.randn((steps, 5, 7), generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn((5, 7), generator=generator, dtype=torch.float64)
    with backward_pass("rate"):
        spikes = neuron.build()(x)
    (grad,) = torch.autograd.grad((spikes.mean(0) * weight).sum(), x)
    rate, slope = rate_and_slope(neuron, x.detach().numpy())
    assert torch.allclose(spikes.mean(0), torch.from_numpy(rate))
    expected = weight * torch.from_numpy(slope) / steps  # of a current of one step
    assert torch.allclose(grad, expected.expand(steps, -1, -1), rtol=1e-10)


def test_forward_is_that_of_the_other_backward_pass():
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    with backward_pass("rate"):
        spikes = IF().build()(x)
    assert torch.equal(spikes, IF().build()(x))


def test_with_one_step_it_is_backpropagation():
    x, grads = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(0)), []
    for way in ("time", "rate"):
        norm = Norm(5)
        leaf = x.clone().requires_grad_()
        with backward_pass(way):
            spikes = norm_act(leaf, norm, IF().build())
        spikes.square().sum().backward()
        grads.append([leaf.grad, norm.weight.grad, norm.bias.grad])
    for one, other in zip(*grads, strict=True):
        assert torch.equal(one, other)


def test_every_step_of_a_norms_input_gets_the_same_gradient():
    x = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with backward_pass("rate"):
        spikes = norm_act(x, Norm(5), IF().build())
    spikes.mean(0).square().sum().backward()
    assert torch.equal(x.grad, x.grad[:1].expand_as(x.grad))
    assert x.grad.abs().max() > 0


def test_a_mean_gradient_takes_memory_for_one_step():
    seen = []
    x = torch.zeros(6, 3).requires_grad_()
    y = x * 1.0
    y.register_hook(seen.append)
    average_gradient(y).backward(torch.arange(18.0).view(6, 3))
    assert seen[0].untyped_storage().nbytes() == 3 * 4
    assert x.grad.equal(torch.tensor([7.5, 8.5, 9.5]).expand(6, 3))


@pytest.mark.parametrize("neuron", [PLIF(), GradedReLU()], ids=str)
def test_other_neurons_have_none_and_say_so(neuron):
    x = torch.randn(3, 2, 5)
    with backward_pass("rate"):
        with pytest.raises(InputError, match=f"{type(neuron).__name__} has no backward pass on rates"):
            norm_act(x, Norm(5), neuron.build())
        with torch.no_grad():  # which goes back nowhere
            assert torch.equal(neuron.build()(x), neuron.build()(x))
        assert not averages(ReLU())  # an ANN has one step
        assert not averages(None)


def test_the_way_back_is_that_of_the_innermost_pass():
    with backward_pass("rate"):
        with backward_pass("time"):
            assert not averages(IF())
        assert averages(IF())
        with pytest.raises(ZeroDivisionError), backward_pass("time"):
            raise ZeroDivisionError
        assert averages(IF())
    assert not averages(IF())
