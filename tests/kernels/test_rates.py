"""The fast backward pass on rates against its definition."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from spikedistill import kernels, neurons
from spikedistill.kernels.choice import VARIABLE
from spikedistill.kernels.cpu import ops
from spikedistill.models import VGG, WRN, ConvNet, ResNet, ResNet19, SEWResNet
from spikedistill.neurons import (
    IF,
    LIF,
    ATan,
    Erf,
    Norm,
    PiecewiseQuadratic,
    SoftSign,
    SuperSpike,
    Triangle,
    backward_pass,
)

pytestmark = pytest.mark.usefixtures("cpu_kernels")
RATE = IF()
NEURONS = [
    RATE,
    replace(RATE, detach_reset=True, surrogate=ATan()),
    replace(RATE, reset=None, surrogate=PiecewiseQuadratic()),
    replace(RATE, reset=-0.3, surrogate=SoftSign()),
    replace(RATE, reset=-0.3, v_init=0.7),
    LIF(tau=2.0, surrogate=SuperSpike()),
    LIF(tau=2.0, v_init=-0.6),
    LIF(tau=3.0, decay_input=False, surrogate=Erf()),
    LIF(tau=3.0, reset=None, detach_reset=True, surrogate=Triangle()),
]
SHAPES = [(2, 17, 5, 7), (3, 64, 4, 4), (9, 5, 1, 1), (7, 33), (4, 128)]


def drawn(shape: tuple[int, ...], steps: int, dtype: torch.dtype, seed: int) -> Tensor:
    x = torch.randn((steps * shape[0], *shape[1:]), generator=torch.Generator().manual_seed(seed))
    if x.dim() == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    return x.to(dtype).unflatten(0, (steps, shape[0]))


def gradients(function, neuron, x, residual, steps, training, grad) -> list[Tensor]:
    """Output, gradients of everything, running statistics."""
    torch.manual_seed(0)
    norm = Norm(x.shape[2])
    norm.train(training)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.uniform_(-0.5, 0.5)
    act = neuron.build()
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    residual = None if residual is None else residual.detach().clone().requires_grad_()
    with backward_pass("rate"):
        y = function(x, norm, act, residual, steps)
    inputs = [x, norm.weight, norm.bias] + ([] if residual is None else [residual])
    return [y.detach(), *torch.autograd.grad(y, inputs, grad), norm.running_mean, norm.running_var]


def check(neuron, shape, steps, *, held=False, residual=0, training=True, dtype=torch.float32, constant=False) -> None:
    x = drawn(shape, 1 if held else steps, dtype, 0)
    added = drawn(shape, residual, dtype, 1) if residual else None
    grad = drawn(shape, steps, dtype, 2)
    grad = grad[:1].expand_as(grad) if constant else grad
    arguments = (neuron, x, added, steps, training, grad)
    fast, slow = (gradients(f, *arguments) for f in (kernels.norm_act, neurons.norm_act))
    tolerance = 2e-5 if dtype == torch.float32 else 0.03
    if dtype == torch.float32:
        assert torch.equal(fast[0], slow[0])
    for one, other in zip(fast[1:], slow[1:], strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert (one - other).abs().max() <= tolerance * other.abs().max()


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_every_neuron(neuron):
    check(neuron, (2, 17, 5, 7), 4)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("steps", [1, 3, 32])
def test_every_shape(shape, steps):
    check(RATE, shape, steps)


@pytest.mark.parametrize("residual", [1, 4])
@pytest.mark.parametrize("held", [False, True], ids=["moving", "held"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("constant", [False, True], ids=["any", "constant"])
def test_every_way_to_call_it(residual, held, training, constant):
    check(RATE, (3, 20, 3, 5), 4, held=held, residual=residual, training=training, constant=constant)


def test_bf16():
    """Against the definition in float32 of the same bf16 currents: spikes are those of float32 currents there too."""
    x, grad = drawn((4, 32, 6, 6), 4, torch.bfloat16, 0), drawn((4, 32, 6, 6), 4, torch.bfloat16, 2)
    fast = gradients(kernels.norm_act, RATE, x, None, 4, True, grad)
    slow = gradients(neurons.norm_act, RATE, x.float(), None, 4, True, grad.float())
    assert fast[1].dtype == torch.bfloat16
    assert torch.equal(fast[0].float(), slow[0])
    for one, other in zip(fast[1:], slow[1:], strict=True):
        assert (one.float() - other).abs().max() <= 0.02 * other.abs().max()


@pytest.mark.parametrize("held", [False, True], ids=["moving", "held"])
def test_neurons_without_a_norm(held):
    grads, weight = [], torch.randn(3, 20, generator=torch.Generator().manual_seed(1))
    for function in (kernels.activate, lambda x, act, steps: act(x, steps)):
        x = drawn((3, 20), 1 if held else 4, torch.float32, 0).requires_grad_()
        with backward_pass("rate"):
            y = function(x, RATE.build(), 4)
        (y.mean(0) * weight).sum().backward()
        grads.append(x.grad)
    assert (grads[0] - grads[1]).abs().max() <= 1e-6
    assert grads[0].abs().max() > 0


@pytest.mark.parametrize("dtype", ops.DTYPES, ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_mean_over_time(shape, dtype):
    x = drawn(shape, 5, dtype, 0)
    mean = torch.ops.spikedistill.mean_over_time(x)
    assert mean.shape == (1, *shape)
    assert torch.allclose(mean.float(), x.float().mean(0, keepdim=True), atol=1e-6, rtol=0.01)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (WRN(10, 1), (3, 16, 16)),
        (ResNet(18, width=8), (3, 16, 16)),
        (ConvNet((8, 8), (16,)), (1, 16, 16)),
        (ResNet19(width=4, hidden=(8,)), (3, 16, 16)),
        (SEWResNet(18, width=8), (3, 16, 16)),
        (VGG(11, "avg", (), width=8), (3, 16, 16)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whole_networks(model, shape, monkeypatch):
    """PyramidNet is not here: it has biases that a norm takes away, whose gradients are rounding errors in both."""
    torch.manual_seed(0)
    network = model.build(shape, 10, RATE)
    x, labels = torch.randn(8, *shape), torch.randint(10, (8,))
    results = []
    for mode in ("reference", "cpu"):
        monkeypatch.setenv(VARIABLE, mode)
        copied = copy.deepcopy(network)
        with backward_pass("rate"):
            logits = copied(x, 4)
        F.cross_entropy(logits.mean(0), labels).backward()
        results.append([parameter.grad for parameter in copied.parameters()])
    for one, other in zip(*results, strict=True):
        assert (one - other).abs().max() <= 1e-4 * other.abs().max() + 1e-9


def test_it_keeps_less_than_a_byte_per_neuron_and_step():
    """Slope and mean in bf16 for each neuron: 4 bytes over T = 8 steps."""
    x = drawn((4, 32, 8, 8), 8, torch.bfloat16, 0).requires_grad_()
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), backward_pass("rate"):
        kernels.norm_act(x, Norm(32), RATE.build())
    assert sum(kept.values()) < x.numel()


def test_no_gradient_no_slope():
    x = drawn((4, 32, 8, 8), 4, torch.float32, 0)
    with torch.no_grad(), backward_pass("rate"):
        on_rates = kernels.norm_act(x, Norm(32), IF().build())
    assert torch.equal(on_rates, kernels.norm_act(x, Norm(32), IF().build()))


def test_a_network_that_went_back_on_rates_goes_back_through_time_again():
    """Nothing of the pass before is left in it, in layers neither."""
    torch.manual_seed(0)
    network, x = ConvNet((4, 4), (8,)).build((1, 8, 8), 5, IF()).eval(), torch.randn(4, 1, 8, 8)
    grads = []
    for way in ("time", "rate", "time"):
        network.zero_grad()
        with backward_pass(way):
            logits = network(x, 4)
        logits[-1].square().sum().backward()
        grads.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    assert torch.equal(grads[0], grads[2])
    assert not torch.allclose(grads[0], grads[1])
