"""The fused norm + residual + neuron against its definition, evaluated in double precision."""

import random
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from spikedistill import kernels, neurons
from spikedistill.kernels.cpu import ops
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
    Sigmoid,
    SoftSign,
    SuperSpike,
    Surrogate,
    Triangle,
)

pytestmark = pytest.mark.usefixtures("cpu_kernels")
MARGIN = 1e-5


@dataclass(frozen=True)
class Recording(Surrogate):
    """Another surrogate's gradient; keeps the distances from the threshold at which it was asked."""

    inner: Surrogate
    distances: list[Tensor]

    def __post_init__(self) -> None:
        """Its fields are not numbers to check."""

    def gradient(self, x: Tensor) -> Tensor:
        self.distances.append(x.detach().abs())
        return self.inner.gradient(x)


@dataclass(frozen=True)
class Case:
    """One shape of a problem. `residual` is the residual's number of steps, 0 for none."""

    neuron: Neuron = IF()
    shape: tuple[int, ...] = (2, 17, 5, 7)
    T: int = 4
    held: bool = False
    residual: int = 0
    spikes: bool = False
    training: bool = True
    dtype: torch.dtype = torch.float32


def drawn(case: Case, seed: int) -> tuple[Tensor, Tensor | None, Tensor]:
    """x, residual and the gradient of the output, in the memory order of a channels_last network."""
    generator = torch.Generator().manual_seed(seed)

    def draw(steps: int, spikes: bool = False) -> Tensor:
        folded = torch.randn((steps * case.shape[0], *case.shape[1:]), generator=generator)
        folded = (folded > 0.8).float() if spikes else folded
        if folded.dim() == 4:
            folded = folded.contiguous(memory_format=torch.channels_last)
        return folded.to(case.dtype).unflatten(0, (steps, case.shape[0]))

    x = draw(1 if case.held else case.T)
    return x, draw(case.residual, case.spikes) if case.residual else None, draw(case.T)


def layer(case: Case, dtype: torch.dtype) -> tuple[Norm, Activation]:
    generator = torch.Generator().manual_seed(7)
    norm, act = Norm(case.shape[1]), case.neuron.build()
    with torch.no_grad():
        norm.weight.normal_(1.0, 0.3, generator=generator)
        norm.bias.normal_(0.3, 0.3, generator=generator)
        norm.running_mean.normal_(0.0, 0.3, generator=generator)
        norm.running_var.uniform_(0.5, 1.5, generator=generator)
    return norm.train(case.training).to(dtype), act.to(dtype)


def results(function, case: Case, inputs: tuple[Tensor, Tensor | None, Tensor], dtype: torch.dtype, **options):
    """Output, running statistics and all gradients by name."""
    norm, act = layer(case, dtype)
    x, residual, grad = (None if t is None else t.detach().clone() for t in inputs)
    x.requires_grad_()
    if residual is not None:
        residual.requires_grad_()
    y = function(x, norm, act, residual, case.T, **options)
    y.backward(grad)
    named = {"y": y.detach(), "x": x.grad, "weight": norm.weight.grad, "bias": norm.bias.grad}
    named |= {"running_mean": norm.running_mean, "running_var": norm.running_var}
    named |= {name: parameter.grad for name, parameter in act.named_parameters()}
    return named if residual is None else named | {"residual": residual.grad}


def defined(case: Case, inputs: tuple[Tensor, Tensor | None, Tensor]):
    """The definition in double precision, and the least distance of any potential from its threshold."""
    doubles = tuple(None if t is None else t.double() for t in inputs)
    if not isinstance(case.neuron, IF):
        return results(neurons.norm_act, case, doubles, torch.float64), torch.tensor(1.0)
    distances: list[Tensor] = []
    watched = replace(case, neuron=replace(case.neuron, surrogate=Recording(case.neuron.surrogate, distances)))
    return results(neurons.norm_act, watched, doubles, torch.float64), torch.stack(distances).amin(0)


def clear_inputs(case: Case):
    """Inputs for which no potential comes within MARGIN of the threshold, so that all precisions fire alike."""
    for seed in range(30):
        inputs = drawn(case, seed)
        expected, margin = defined(case, inputs)
        if margin.min() > MARGIN:
            return inputs, expected
    raise AssertionError("No seed keeps all potentials off the threshold.")


def check(case: Case) -> None:
    inputs, expected = clear_inputs(case)
    norm, act = layer(case, torch.float32)
    assert ops.supports(inputs[0], norm, act, inputs[1], case.T)
    got = results(kernels.norm_act, case, inputs, torch.float32, residual_is_spikes=case.spikes)
    assert got.keys() == expected.keys()
    relative = 2e-5 if case.dtype == torch.float32 else 2.0**-7
    for name, value in expected.items():
        wide = got[name].double()
        assert wide.shape == value.shape, name
        in_dtype = case.dtype if name in ("y", "x", "residual") else torch.float32
        assert got[name].dtype == in_dtype, name
        if name == "y" and case.neuron.spiking and not isinstance(case.neuron, GradedReLU):
            assert wide.equal(value)
            continue
        scale = max(value.abs().max().item(), 1.0 if name in ("weight", "bias", "w") else 0.0)
        torch.testing.assert_close(wide, value, rtol=relative, atol=relative * scale, msg=lambda m, n=name: f"{n}: {m}")


NEURONS = [
    IF(),
    IF(reset=None),
    IF(reset=-0.2, threshold=0.7, detach_reset=True),
    IF(v_init=0.5),
    IF(reset=None, v_init=-0.4, detach_reset=True),
    IF(reset=None, detach_reset=True),
    LIF(),
    LIF(tau=3.0, reset=0.1),
    LIF(tau=1.7, reset=None),
    LIF(tau=3.0, reset=0.1, v_init=0.8),
    LIF(decay_input=False),
    LIF(tau=3.0, decay_input=False, reset=None, detach_reset=True),
    LIF(tau=1.5, decay_input=False, reset=-0.3),
    PLIF(init_tau=1.8),
    PLIF(init_tau=1.8, reset=-0.1, v_init=0.6),
    PLIF(reset=None, decay_input=False, v_init=0.6),
    PLIF(reset=None, detach_reset=True),
    PLIF(init_tau=3.0, reset=0.1, decay_input=False),
    PLIF(reset=None, decay_input=False),
    GradedReLU(),
    GradedReLU(decay=0.7, threshold=0.8, penalty=2.0),
    ReLU(),
]
SURROGATES = [
    Sigmoid(),
    Sigmoid(alpha=25.0),
    ATan(),
    PiecewiseQuadratic(),
    PiecewiseQuadratic(alpha=2.0),
    SoftSign(),
    SuperSpike(alpha=3.0),
    Erf(),
    Triangle(),
    Triangle(height=1.0, width=0.5),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_neurons(neuron: Neuron, dtype: torch.dtype) -> None:
    check(Case(neuron, residual=4, dtype=dtype))


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
def test_surrogates(surrogate: Surrogate) -> None:
    check(Case(LIF(surrogate=surrogate)))


SHAPES = [
    Case(shape=(1, 3, 5, 7)),
    Case(shape=(3, 1, 4, 4), residual=4),
    Case(shape=(2, 64, 3, 3), residual=4, spikes=True),
    Case(shape=(1, 65, 5, 7), residual=1),
    Case(shape=(2, 200, 1, 1)),
    Case(shape=(5, 17)),
    Case(shape=(3, 130), residual=4),
    Case(shape=(7, 1)),
    Case(shape=(16, 16, 16, 16), residual=4, spikes=True),  # several blocks
    Case(held=True),
    Case(held=True, residual=1),
    Case(held=True, residual=4),
    Case(held=True, residual=1, spikes=True, training=False),
    Case(residual=1, spikes=True),
    Case(shape=(3, 5, 3, 3), residual=3, spikes=True, T=3),  # steps that do not start on a byte
    Case(training=False),
    Case(training=False, residual=4),
    Case(PLIF(), training=False, held=True, residual=1),
    Case(PLIF(), held=True, residual=4, dtype=torch.bfloat16),
    Case(training=False, residual=4, spikes=True, dtype=torch.bfloat16),
    Case(shape=(5, 17), training=False, dtype=torch.bfloat16),
    Case(held=True, dtype=torch.bfloat16),
    Case(ReLU(), T=1),
    Case(ReLU(), T=1, training=False, residual=1, dtype=torch.bfloat16),
    Case(ReLU(), residual=1),
]


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_shapes(case: Case) -> None:
    check(case)


def any_case(seed: int) -> Case:
    """A combination of everything that a case can be."""
    pick = random.Random(seed).choice
    T, held = pick([1, 2, 3, 4, 7, 32]), pick([False, True])
    residual = pick([0, 1, T])
    return Case(
        neuron=replace(pick(NEURONS[:14]), surrogate=pick(SURROGATES)),
        shape=pick([(1, 3, 5, 7), (2, 17, 7, 5), (5, 16, 2, 2), (4, 33, 1, 3), (40, 3), (16, 17), (12, 128)]),
        T=T,
        held=held,
        residual=residual,
        spikes=residual > 0 and pick([False, True]),
        training=pick([False, True]),
        dtype=pick([torch.float32, torch.bfloat16]),
    )


@pytest.mark.parametrize("seed", range(100))
def test_combinations(seed: int) -> None:
    check(any_case(seed))


@pytest.mark.parametrize("T", [1, 2, 3, 5, 8, 16, 32])
def test_steps(T: int) -> None:
    check(Case(LIF(tau=3.0), shape=(2, 5, 3, 3), T=T, residual=T))
    check(Case(IF(reset=None), shape=(3, 7), T=T, dtype=torch.bfloat16, held=T % 2 == 0))


def test_the_graded_neuron_over_128_steps() -> None:
    check(Case(GradedReLU(), shape=(2, 70), T=128))


def test_only_potentials_at_the_threshold_fire_differently() -> None:
    case = Case(LIF(tau=3.0), shape=(8, 32, 16, 16), T=8)
    inputs = drawn(case, 0)
    expected, margin = defined(case, inputs)
    y = results(kernels.norm_act, case, inputs, torch.float32)["y"]
    differs = (y != expected["y"]).any(0)
    assert not (differs & (margin >= MARGIN)).any()
    assert differs.float().mean() < 1e-4


@pytest.mark.parametrize("neuron", [n for n in NEURONS if isinstance(n, IF)], ids=str)
def test_without_a_norm_the_outputs_are_the_definitions_bit_for_bit(neuron: IF) -> None:
    generator = torch.Generator().manual_seed(0)
    current = torch.randn(8, 4, 37, generator=generator)
    on_the_threshold = (current * 4).round() / 4
    for x in (current, on_the_threshold, current.bfloat16()):
        act = neuron.build()
        assert kernels.activate(x, act).equal(act(x))


@pytest.mark.parametrize("neuron", [LIF(), PLIF(), GradedReLU(), ReLU()], ids=str)
def test_gradients_without_a_norm(neuron: Neuron) -> None:
    generator = torch.Generator().manual_seed(0)
    x, grad = torch.randn(2, 6, 4, 37, generator=generator)
    act = neuron.build()
    gradients = []
    for function in (lambda x: kernels.activate(x, act), act):
        inputs = x.clone().requires_grad_()
        gradients.append(torch.autograd.grad(function(inputs), [inputs, *act.parameters()], grad))
    for fast, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)


def test_any_memory_order_gives_the_same() -> None:
    case = Case(residual=4)
    x, residual, grad = drawn(case, 0)
    expected = results(kernels.norm_act, case, (x, residual, grad), torch.float32)
    got = results(kernels.norm_act, case, (x.contiguous(), residual.contiguous(), grad.contiguous()), torch.float32)
    for name, value in expected.items():
        assert got[name].equal(value), name


def test_sums_do_not_depend_on_the_number_of_threads() -> None:
    case = Case(PLIF(), shape=(16, 16, 16, 16))
    inputs = drawn(case, 0)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = results(kernels.norm_act, case, inputs, torch.float32)
        torch.set_num_threads(3)
        three = results(kernels.norm_act, case, inputs, torch.float32)
    finally:
        torch.set_num_threads(before)
    for name, value in one.items():
        assert three[name].equal(value), name


def test_statistics_survive_a_large_mean() -> None:
    case = Case(shape=(4, 3, 8, 8))
    x, _, grad = drawn(case, 0)
    got = results(kernels.norm_act, case, (x + 1000.0, None, grad), torch.float32)
    momentum, n = 0.1, x.numel() // 3
    variance = (x + 1000.0).double().var((0, 1, 3, 4), correction=1)
    start = layer(case, torch.float64)[0].running_var
    assert n == 4 * 4 * 64
    torch.testing.assert_close(got["running_var"].double(), start.lerp(variance, momentum), rtol=1e-5, atol=0.0)


def test_frozen_parameters_and_inputs_get_no_gradient() -> None:
    case = Case(residual=4)
    x, residual, grad = drawn(case, 0)
    norm, act = layer(case, torch.float32)
    norm.weight.requires_grad_(False)
    x.requires_grad_()
    kernels.norm_act(x, norm, act, residual).backward(grad)
    assert x.grad is not None
    assert norm.bias.grad is not None
    assert norm.weight.grad is None
    assert residual.grad is None


def test_what_is_kept_for_the_backward_pass() -> None:
    case = Case(shape=(8, 64, 16, 16), residual=4, spikes=True, dtype=torch.bfloat16)
    x, residual, _ = drawn(case, 0)
    norm, act = layer(case, torch.float32)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        kernels.norm_act(x.requires_grad_(), norm, act, residual, residual_is_spikes=True)
    assert sum(kept.values()) / x.numel() < 2.13  # two bytes of x, one bit of the residual, and per channel


def test_a_broken_promise_raises() -> None:
    case = Case(residual=4)
    x, residual, _ = drawn(case, 0)
    norm, act = layer(case, torch.float32)
    with pytest.raises(ValueError, match="0 or 1"):
        kernels.norm_act(x.requires_grad_(), norm, act, residual, residual_is_spikes=True)


def test_wrong_steps_raise_as_in_the_definition() -> None:
    x, _, _ = drawn(Case(), 0)
    norm, act = layer(Case(), torch.float32)
    with pytest.raises(ValueError, match="4 time steps; asked were 5"):
        kernels.norm_act(x, norm, act, None, 5)


def test_a_second_derivative_is_refused() -> None:
    x, _, grad = drawn(Case(), 0)
    norm, act = layer(Case(), torch.float32)
    y = kernels.norm_act(x.requires_grad_(), norm, act)
    with pytest.raises(RuntimeError, match="SPIKEDISTILL_KERNELS=reference"):
        torch.autograd.grad(y, x, grad, create_graph=True)


@pytest.mark.parametrize("dtype", ops.DTYPES, ids=["fp32", "bf16"])
def test_potentials_without_bound_pass_the_definitions_gradients(dtype: torch.dtype) -> None:
    infinity = float("inf")
    row = torch.tensor([infinity, -infinity, 0.5, 3e38, -1.0], dtype=dtype)
    grads = []
    for function in (kernels.activate, lambda x, act: act(x)):
        x = torch.stack([row, row.flip(0)])[:, None].expand(2, 5, 5).contiguous()
        x = x.masked_fill(x.isinf() & x.flip(0).isinf(), 1.0).requires_grad_()
        function(x, IF(reset=None).build()).float().sum().backward()
        grads.append(x.grad)
    assert grads[1].isfinite().all()
    torch.testing.assert_close(*grads)
