"""The backward pass on rates against its derivation in float64 NumPy, which carries derivatives forward."""

import numpy as np
import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.neurons import IF, LIF, PLIF, Neuron, Norm, average_gradient, norm_act
from spikedistill.values.plain import from_json, to_json

NEURONS = [
    IF(backward="rate"),
    IF(backward="rate", detach_reset=True),
    IF(backward="rate", reset=None, threshold=0.7),
    LIF(backward="rate", tau=3.0),
    LIF(backward="rate", tau=1.5, decay_input=False, reset=None, detach_reset=True),
]


def rate_and_slope(neuron: IF, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Firing rates, and their derivative with respect to a current that is added in every step."""
    q = 1.0 / neuron.tau if isinstance(neuron, LIF) else None
    gain = q if q is not None and neuron.decay_input else 1.0
    keeps = 1.0 if q is None else 1.0 - q
    v, dv = np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
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
    spikes = neuron.build()(x)
    (grad,) = torch.autograd.grad((spikes.mean(0) * weight).sum(), x)
    rate, slope = rate_and_slope(neuron, x.detach().numpy())
    assert torch.allclose(spikes.mean(0), torch.from_numpy(rate))
    expected = weight * torch.from_numpy(slope) / steps  # of a current of one step
    assert torch.allclose(grad, expected.expand(steps, -1, -1), rtol=1e-10)


def test_forward_is_that_of_the_other_backward_pass():
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(IF(backward="rate").build()(x), IF().build()(x))


def test_with_one_step_it_is_backpropagation():
    x, grads = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(0)), []
    for neuron in (IF(), IF(backward="rate")):
        norm = Norm(5)
        leaf = x.clone().requires_grad_()
        norm_act(leaf, norm, neuron.build()).square().sum().backward()
        grads.append([leaf.grad, norm.weight.grad, norm.bias.grad])
    for one, other in zip(*grads, strict=True):
        assert torch.equal(one, other)


def test_every_step_of_a_norms_input_gets_the_same_gradient():
    x = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    norm_act(x, Norm(5), IF(backward="rate").build()).mean(0).square().sum().backward()
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


def test_plif_has_none():
    with pytest.raises(InputError, match="every step"):
        PLIF(backward="rate")


def test_another_word_is_refused():
    with pytest.raises(InputError, match="'time', 'rate'"):
        from_json(Neuron, to_json(IF()) | {"backward": "rates"})
