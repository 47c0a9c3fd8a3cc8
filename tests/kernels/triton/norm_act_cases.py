"""The Triton kernels against the definition in float64: values and all gradients. Run by `test_triton.py`."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import jaxtyping
import pytest
import torch
from torch import Tensor

from spikedistill import neurons
from spikedistill.kernels import dispatch
from spikedistill.kernels import triton as kernels
from spikedistill.kernels.triton import calls, ops, plan
from spikedistill.neurons import (
    IF,
    LIF,
    PLIF,
    Activation,
    ATan,
    Erf,
    GradedReLU,
    Neuron,
    Norm,
    PiecewiseQuadratic,
    ReLU,
    SoftSign,
    SuperSpike,
    Triangle,
)

IMAGES = (2, 5, 4, 6)
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2.0**-6, torch.float16: 2.0**-9}
"""Relative to the largest value. Gradients are rounded twice, and Triton's interpreter truncates."""
NEURONS = [
    ReLU(),
    GradedReLU(),
    IF(detach_reset=True),
    IF(reset=None, surrogate=ATan()),
    IF(reset=None, detach_reset=True, surrogate=PiecewiseQuadratic()),
    IF(threshold=0.7, reset=-0.3, surrogate=SoftSign()),
    LIF(surrogate=SuperSpike()),
    LIF(tau=3.0, reset=-0.2, surrogate=Erf()),
    LIF(tau=3.0, decay_input=False, reset=None, surrogate=Triangle(width=1.5)),
    LIF(decay_input=False, reset=0.1),
    LIF(reset=0.1, v_init=0.7),
    IF(reset=None, v_init=-0.4),
    PLIF(reset=None),
    PLIF(decay_input=False, reset=-0.3, surrogate=ATan()),
    PLIF(reset=-0.3, v_init=0.5),
]
SHAPES = [(7, 5), (40, 70), (3, 130), IMAGES, (2, 1, 7, 3), (3, 64, 5, 5), (2, 3, 1, 1)]


@dataclass
class Layer:
    """A norm with parameters and statistics unlike the initial ones, neurons, and what comes in."""

    norm: Norm
    act: Activation
    x: Tensor
    residual: Tensor | None
    steps: int
    gradients: torch.dtype = torch.float32
    """Whose values the output's gradient has."""


def layer(
    device: torch.device,
    neuron: Neuron,
    shape: tuple[int, ...] = IMAGES,
    T: int = 4,
    x_steps: int | None = None,
    residual_steps: int = 0,
    training: bool = True,
    dtype: torch.dtype = torch.float32,
) -> Layer:
    draw = torch.Generator().manual_seed(0)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=draw).to(device)

    norm, act = Norm(shape[1]).to(device).train(training), neuron.build().to(device)
    with torch.no_grad():
        norm.weight.copy_(normal(shape[1]).abs() + 0.5)
        norm.bias.copy_(0.5 * normal(shape[1]))
        norm.running_mean.copy_(normal(shape[1]))
        norm.running_var.copy_(normal(shape[1]).abs() + 0.5)
    x = rows(0.5 + 2.0 * normal(x_steps or T, *shape)).to(dtype)
    residual = rows(normal(residual_steps, *shape)).to(dtype) if residual_steps else None
    return Layer(norm, act, x, residual, T, dtype)


def rows(x: Tensor) -> Tensor:
    """Channels last, as convolutions give it."""
    if x.dim() == 3:
        return x
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last).view(x.shape)


def in_double(case: Layer) -> Layer:
    residual = None if case.residual is None else case.residual.double()
    return Layer(
        deepcopy(case.norm).double(), deepcopy(case.act).double(), case.x.double(), residual, case.steps, case.gradients
    )


def results(function: Callable[..., Tensor], case: Layer) -> dict[str, Tensor]:
    """Output, running statistics and the gradients of a random projection of the output."""
    x = case.x.clone().requires_grad_()
    residual = None if case.residual is None else case.residual.clone().requires_grad_()
    y = function(x, case.norm, case.act, residual, steps=case.steps)
    projection = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(case.gradients).to(y)
    inputs = {"x": x, "weight": case.norm.weight, "bias": case.norm.bias, **dict(case.act.named_parameters())}
    if residual is not None:
        inputs["residual"] = residual
    gradients = torch.autograd.grad(y, list(inputs.values()), projection)
    buffers = {"running_mean": case.norm.running_mean, "running_var": case.norm.running_var}
    return {"y": y, **buffers, **{f"{name}'s gradient": g for name, g in zip(inputs, gradients, strict=True)}}


def assert_close(ours: Tensor, expected: Tensor, tolerance: float, name: str) -> None:
    assert ours.shape == expected.shape, name
    error = (ours.double() - expected.double()).abs().max() / expected.abs().max().clamp(min=1e-3)
    if name == "w's gradient":  # a sum of many terms that cancel
        tolerance *= 10
    assert error <= tolerance, f"{name} is off by {error:.1e}"


def check(case: Layer) -> None:
    double = in_double(case)
    ours, expected = results(kernels.norm_act, case), results(neurons.norm_act, double)
    if isinstance(case.act.neuron, neurons.IF):
        assert torch.equal(ours["y"].double(), expected["y"])
        assert 0.0 < ours["y"].float().mean() < 1.0
    assert ours["y"].dtype == case.x.dtype
    for name, value in expected.items():
        # Parameters and statistics are float32 whatever the activations are.
        rounded = name in ("y", "x's gradient", "residual's gradient")
        assert_close(ours[name], value, TOLERANCE[case.x.dtype if rounded else torch.float32], name)


@pytest.mark.parametrize("neuron", NEURONS, ids=repr)
def test_neurons(device, neuron):
    check(layer(device, neuron, T=5))


@pytest.mark.parametrize("residual_steps", [0, 1, 4])
@pytest.mark.parametrize("x_steps", [1, 4])
@pytest.mark.parametrize("training", [True, False])
def test_static_and_moving_inputs(device, training, x_steps, residual_steps):
    check(layer(device, PLIF(), x_steps=x_steps, residual_steps=residual_steps, training=training))


@pytest.mark.parametrize("neuron", [LIF(), PLIF(reset=None)], ids=["hard", "soft"])
@pytest.mark.parametrize("T", [1, 2, 9, 16, 17, 32, 35])
def test_steps(device, T, neuron):
    check(layer(device, neuron, (3, 5), T, residual_steps=T))


def test_static_input_over_several_segments(device):
    check(layer(device, PLIF(decay_input=False), (3, 5), 33, x_steps=1, residual_steps=1))


def test_many_steps_of_the_graded_neuron(device):
    check(layer(device, GradedReLU(), (3, 20), 64))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_shapes(device, shape, training):
    check(layer(device, LIF(), shape, T=2, residual_steps=2, training=training))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("residual_steps", [0, 4])
def test_sixteen_bits(device, dtype, training, residual_steps):
    check(layer(device, PLIF(), training=training, residual_steps=residual_steps, dtype=dtype))


def test_programs_that_sum_over_many_blocks(device, monkeypatch):
    monkeypatch.setattr(plan, "MOST_PROGRAMS", 2)
    check(layer(device, PLIF(), (9, 70), T=17))


def test_statistics_of_values_far_from_zero(device):
    case = layer(device, IF())
    case.x = case.x + 3000.0
    double = in_double(case)
    ours, expected = results(kernels.norm_act, case), results(neurons.norm_act, double)
    for name in ("running_mean", "running_var"):
        assert_close(ours[name], expected[name], 1e-5, name)


def test_any_order_in_memory(device):
    case = layer(device, LIF(), residual_steps=4)
    case.x, residual = case.x.contiguous(), case.residual
    case.residual = residual.transpose(3, 4).contiguous().transpose(3, 4)
    check(case)
    x = case.x.requires_grad_()
    y = kernels.norm_act(x, case.norm, case.act, case.residual)
    y.sum().backward()  # an expanded gradient
    assert y.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    double = in_double(case)
    x_ = double.x.detach().requires_grad_()
    neurons.norm_act(x_, double.norm, double.act, double.residual).sum().backward()
    assert_close(x.grad, x_.grad, 1e-5, "x's gradient")


def test_the_dispatcher_calls_them(device, monkeypatch):
    monkeypatch.setattr(dispatch, "implementation", lambda _: "triton")
    launched = []
    monkeypatch.setattr(ops, "norm_act", lambda *arguments, op=ops.norm_act: launched.append(1) or op(*arguments))
    case = layer(device, LIF(), residual_steps=4)
    expected = kernels.norm_act(case.x, deepcopy(case.norm), case.act, case.residual)
    output = dispatch.norm_act(case.x, case.norm, case.act, case.residual, residual_is_spikes=True)
    assert torch.equal(output, expected)
    assert len(launched) == 2


@pytest.mark.parametrize("neuron", [LIF(), PLIF(), GradedReLU()], ids=repr)
@pytest.mark.parametrize("x_steps", [1, 4])
def test_neurons_without_a_norm(device, neuron, x_steps):
    case = layer(device, neuron, x_steps=x_steps)

    def without_norm(function):
        def call(x, norm, act, residual, steps):
            return function(x, act, steps) + 0.0 * (norm.weight.sum() + norm.bias.sum())

        return call

    ours, expected = (
        results(without_norm(kernels.activate), case),
        results(without_norm(lambda x, a, T: a(x, T)), in_double(case)),
    )
    for name, value in expected.items():
        assert_close(ours[name], value, 1e-5, name)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of NumPy, in the interpreter
@pytest.mark.parametrize("neuron", [IF(), IF(reset=-0.3, v_init=0.2), LIF(reset=0.1), LIF(reset=None)], ids=repr)
def test_an_infinite_charge_is_what_it_is_in_the_definition(device, neuron):
    x = torch.tensor([torch.inf, 2.0, 2.0, -torch.inf, 2.0]).view(5, 1, 1).repeat(1, 2, 3).to(device)
    assert torch.equal(kernels.activate(x, neuron.build()), neuron.build()(x))


def test_keeps_the_input_and_the_statistics_only(device):
    case = layer(device, LIF(), (4, 32, 8, 8), dtype=torch.bfloat16)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        y = kernels.norm_act(case.x.requires_grad_(), case.norm, case.act)
    parameters = 4 * (3 + 2) * 32
    assert sum(tensor.numel() * tensor.element_size() for tensor in kept) == 2 * y.numel() + parameters


def test_what_the_kernels_do_not_have_is_the_definitions(device, monkeypatch):
    class Subclass(LIF):
        pass

    def refuse(*_):
        raise AssertionError("a kernel was called")

    monkeypatch.setattr(ops, "norm_act", refuse)
    for case in (in_double(layer(device, LIF())), layer(device, Subclass())):
        expected = neurons.norm_act(case.x, deepcopy(case.norm), case.act)
        assert torch.equal(kernels.norm_act(case.x, case.norm, case.act), expected)
    case = layer(device, LIF(), T=3)
    with pytest.raises(ValueError, match=r"has 3 time steps; asked were 4"):
        kernels.norm_act(case.x, case.norm, case.act, steps=4)


def test_has_no_second_derivative(device):
    case = layer(device, LIF())
    x = case.x.requires_grad_()
    y = kernels.norm_act(x, case.norm, case.act)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


@pytest.mark.parametrize("neuron", [PLIF(), ReLU()], ids=repr)
def test_is_a_proper_operator(device, neuron):
    case = layer(device, neuron, (2, 3), T=2, residual_steps=2)
    norm = case.norm
    factor = calls._factor(case.act)
    arguments = (
        *(case.x.requires_grad_(), norm.weight, norm.bias, norm.running_mean, norm.running_var),
        *(case.residual.requires_grad_(), None if factor is None else factor.detach().requires_grad_(), 2, True, 1e-5),
        *calls.codes.encode(neuron),
    )
    torch.library.opcheck(torch.ops.spikedistill.triton_norm_act.default, arguments)


@pytest.fixture
def unchecked():
    """No checks of shapes and types, which torch.compile cannot trace."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_compiles_as_one_graph(device, unchecked):
    case = layer(device, PLIF(), x_steps=1, residual_steps=4)
    eager = results(kernels.norm_act, deepcopy(case))
    compiled = results(torch.compile(kernels.norm_act, fullgraph=True, backend="aot_eager"), case)
    for name, value in eager.items():
        assert_close(compiled[name], value, 1e-6, name)
