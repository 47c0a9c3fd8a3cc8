"""Norm + neuron against torch.nn's batch norms on the folded tensor, and against the composition by hand."""

import pytest
import torch
from torch import Tensor, nn

from spikedistill.neurons import IF, LIF, PLIF, Activation, ATan, BatchNorm, Norm, ReLU, norm_act

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


def test_the_kind_says_start_momentum_and_eps():
    norm = BatchNorm(momentum=0.3, eps=0.25, start=0.5).build(4)
    theirs = nn.BatchNorm1d(4, momentum=0.3, eps=0.25)
    x = normal(1, 6, 4).float()
    nn.init.constant_(theirs.weight, 0.5)
    torch.testing.assert_close(norm(x)[0], theirs(x[0]))
    torch.testing.assert_close(norm.running_var, theirs.running_var)


def test_tdbn_is_the_start_alpha_times_threshold():
    """Eq. (4)-(6) of Zheng et al., with its learned factor at 1."""
    alpha, threshold, x = 0.7, 0.5, normal(3, 4, 5).float()
    mean, var = x.mean((0, 1)), x.var((0, 1), unbiased=False)
    expected = alpha * threshold * (x - mean) / (var + 1e-5).sqrt()
    torch.testing.assert_close(BatchNorm(start=alpha * threshold).build(5)(x), expected)


def with_stride(x: Tensor, dim: int, stride: int) -> Tensor:
    """x with another stride along a dimension of size 1, where it means nothing."""
    strides = list(x.stride())
    strides[dim] = stride
    return x.as_strided(x.shape, strides)


def layouts(x: Tensor) -> list[Tensor]:
    """The same values [T, B, C, H, W] in every order of memory, and with any stride along dimensions of size 1."""
    last = x.flatten(0, 1).contiguous(memory_format=torch.channels_last).view(x.shape)
    every = [x, last, x.permute(1, 2, 3, 4, 0).contiguous().permute(4, 0, 1, 2, 3)]
    for y in tuple(every):
        every += [with_stride(y, d, stride) for d in range(5) if y.shape[d] == 1 for stride in (0, 1, 3, 1000)]
    return every


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 3, 3, 5), (1, 2, 3, 1, 1), (2, 1, 3, 1, 4), (1, 2, 3, 4, 1), (1, 1, 1, 2, 2), (3, 2, 1, 3, 1)],
    ids=str,
)
def test_every_layout_of_small_batches_and_images_has_the_closed_forms_gradients(shape, training):
    """N1: torch 2.13 misreads strides along dimensions of size 1 in the backward pass on CPUs."""
    x, g = normal(*shape).float(), normal(*shape, seed=1).float()
    norm = trained(shape[2]).float().train(training)
    state, over = {name: value.clone() for name, value in norm.state_dict().items()}, (0, 1, 3, 4)
    exact = x.double().requires_grad_()
    weight, bias, mean, var = (
        state[name].double().view(-1, 1, 1) for name in ("weight", "bias", "running_mean", "running_var")
    )
    if training:
        mean, var = exact.mean(over, keepdim=True), exact.var(over, unbiased=False, keepdim=True)
    expected = weight * (exact - mean) / (var + norm.eps).sqrt() + bias
    (x_grad,) = torch.autograd.grad(expected, exact, g.double())
    weight_grad = ((expected.detach() - bias) / weight * g.double()).sum(over)
    for memory in layouts(x):
        for gradient in layouts(g):
            norm.load_state_dict(state)
            norm.zero_grad()
            leaf = memory.detach().requires_grad_()
            output = norm(leaf)
            output.backward(gradient)
            torch.testing.assert_close(output.double(), expected, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(norm.bias.grad, g.sum(over), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(norm.weight.grad.double(), weight_grad, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(leaf.grad.double(), x_grad, rtol=1e-4, atol=1e-3)


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
