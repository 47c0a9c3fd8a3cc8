"""Norm + neuron against torch.nn's batch norms on the folded tensor, and against the composition by hand."""

import pytest
import torch
from torch import Tensor, nn

from spikedistill.neurons import IF, LIF, PLIF, Activation, ATan, Norm, ReLU, norm_act

SHAPES = [(4, 3, 5), (1, 6, 5), (3, 2, 5, 4, 6), (1, 4, 5, 3, 3)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def normal(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.7 + 1.8 * torch.randn(shape, generator=generator, dtype=torch.float64)


def trained(channels: int) -> Norm:
    """A norm whose parameters and statistics are not the initial ones."""
    norm = Norm(channels).double()
    with torch.no_grad():
        norm.weight.copy_(normal(channels, seed=1).abs())
        norm.bias.copy_(normal(channels, seed=2))
        norm.running_mean.copy_(normal(channels, seed=3))
        norm.running_var.copy_(normal(channels, seed=4).abs() + 0.1)
    return norm


def oracle(norm: Norm, shape: tuple[int, ...]) -> nn.Module:
    """PyTorch's module with the same parameters and statistics."""
    theirs = (nn.BatchNorm1d if len(shape) == 3 else nn.BatchNorm2d)(norm.channels).double()
    theirs.load_state_dict(norm.state_dict(), strict=False)
    return theirs


@every_shape
@pytest.mark.parametrize("training", [True, False])
def test_is_batch_norm_of_the_folded_tensor(shape, training):
    norm = trained(shape[2])
    theirs = oracle(norm, shape)
    norm.train(training)
    theirs.train(training)
    x = normal(*shape).requires_grad_()
    y = x.detach().clone().requires_grad_()
    output, expected = norm(x), theirs(y.flatten(0, 1)).view(shape)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
    weights = normal(*shape, seed=5)
    output.backward(weights)
    expected.backward(weights)
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-12, atol=1e-12)
    for ours, other in [(norm.weight, theirs.weight), (norm.bias, theirs.bias)]:
        torch.testing.assert_close(ours.grad, other.grad, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(norm.running_mean, theirs.running_mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(norm.running_var, theirs.running_var, rtol=1e-12, atol=1e-12)


def test_starts_like_pytorch():
    ours, theirs = Norm(7).state_dict(), nn.BatchNorm1d(7).state_dict()
    del theirs["num_batches_tracked"]
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@every_shape
def test_training_output_has_the_bias_as_mean_and_the_weight_as_deviation(shape):
    norm = trained(shape[2])
    channels = norm(normal(*shape)).movedim(2, 0).flatten(1)
    torch.testing.assert_close(channels.mean(1), norm.bias, rtol=0.0, atol=1e-12)
    torch.testing.assert_close(channels.std(1, correction=0), norm.weight, rtol=1e-4, atol=0.0)


@pytest.mark.parametrize("shape", [(1, 6, 5), (1, 4, 5, 3, 3)], ids=str)
def test_static_input_counts_its_values_once(shape):
    T, channels = 4, shape[2]
    once, copies = Norm(channels).double(), Norm(channels).double()
    x = normal(*shape)
    static, repeated = once(x), copies(x.expand(T, *shape[1:]))
    torch.testing.assert_close(static.expand_as(repeated), repeated, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(once.running_mean, copies.running_mean, rtol=1e-12, atol=1e-12)
    # The running variance is the unbiased one, and its correction n / (n - 1) knows a different n.
    n = x.numel() // channels
    unbiased, of_copies = (norm.running_var.sub(0.9).div(0.1) for norm in (once, copies))
    torch.testing.assert_close(unbiased * (n - 1) / n, of_copies * (T * n - 1) / (T * n), rtol=1e-12, atol=1e-12)
    assert (unbiased > of_copies).all()


def test_norm_is_differentiable():
    norm = trained(3)
    x = normal(2, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: norm(x), (x, norm.weight, norm.bias))


def by_hand(x: Tensor, norm: nn.Module, act: Activation, residual: Tensor | None, steps: int) -> Tensor:
    """Every tensor spread over T first, then PyTorch's batch norm, the sum and the neuron's steps."""
    current = norm(x.flatten(0, 1)).view(x.shape).expand(steps, *x.shape[1:])
    if residual is not None:
        current = current + residual.expand_as(current)
    if isinstance(act.neuron, ReLU):
        return torch.relu(current)
    v, outputs = torch.full_like(current[0], act.neuron.rest()), []
    for x_t in current:
        y, v = act.neuron.step(v, x_t, dict(act.named_parameters()))
        outputs.append(y)
    return torch.stack(outputs)


@every_shape
@pytest.mark.parametrize("neuron", [IF(reset=None), LIF(surrogate=ATan()), PLIF(decay_input=False)], ids=repr)
@pytest.mark.parametrize("residual_steps", [None, 1, "T"])
def test_norm_act_is_the_composition(shape, neuron, residual_steps):
    norm, act = trained(shape[2]), neuron.build().double()
    theirs = oracle(norm, shape)
    T = 4 if shape[0] == 1 else shape[0]
    x = normal(*shape).requires_grad_()
    y = x.detach().clone().requires_grad_()
    residual, other = None, None
    if residual_steps is not None:
        steps = T if residual_steps == "T" else 1
        residual = normal(steps, *shape[1:], seed=6).requires_grad_()
        other = residual.detach().clone().requires_grad_()
    output, expected = norm_act(x, norm, act, residual, steps=T), by_hand(y, theirs, act, other, T)
    assert output.shape == (T, *shape[1:])
    assert torch.equal(output, expected)
    assert 0 < output.sum() < output.numel()
    weights = normal(*output.shape, seed=7)
    parts = [x, norm.weight, norm.bias, *act.parameters(), *([] if residual is None else [residual])]
    other_parts = [y, theirs.weight, theirs.bias, *act.parameters(), *([] if other is None else [other])]
    gradients = torch.autograd.grad(output, parts, weights)
    for ours, hand in zip(gradients, torch.autograd.grad(expected, other_parts, weights), strict=True):
        torch.testing.assert_close(ours, hand, rtol=1e-9, atol=1e-9)


def test_norm_act_with_relu_has_one_step():
    norm, act = trained(5), ReLU().build()
    x, residual = normal(1, 6, 5), normal(1, 6, 5, seed=1)
    theirs = oracle(norm, (1, 6, 5))
    output = norm_act(x, norm, act, residual, steps=4)
    torch.testing.assert_close(output, by_hand(x, theirs, act, residual, 1), rtol=1e-12, atol=1e-12)


def test_norm_act_refuses_other_numbers_of_steps():
    with pytest.raises(ValueError, match=r"has 3 time steps; asked were 4"):
        norm_act(normal(3, 2, 5), trained(5), IF().build(), steps=4)


@pytest.mark.parametrize("training", [True, False])
def test_channels_last_goes_through(training):
    norm, act = Norm(5).train(training), LIF().build()
    x = normal(3, 2, 5, 4, 6).float()
    residual = normal(3, 2, 5, 4, 6, seed=1).float()

    def channels_last(sequence: Tensor) -> Tensor:
        return sequence.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (3, 2))

    output = norm_act(channels_last(x), norm, act, channels_last(residual))
    expected = norm_act(x, norm, act, residual)
    assert output.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    assert (output != expected).sum() == 0
