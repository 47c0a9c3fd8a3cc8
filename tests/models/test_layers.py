"""Layers that no other file tests, and norm + neuron seen from inside."""

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
import torch
from torch import Tensor, nn

from spikedistill.kernels import FrozenWeights
from spikedistill.models import models
from spikedistill.models.layers import (
    Add,
    AvgPool2d,
    Conv2d,
    ConvNorm,
    Dropout,
    Flatten,
    GlobalMean,
    Linear,
    MaxPool2d,
    NormAct,
    PadChannels,
    Vote,
)
from spikedistill.models.resnet import BasicBlock
from spikedistill.models.taps import attach, watched
from spikedistill.neurons import IF, LIF, PLIF, GradedReLU, Neuron, ReLU, backward_pass
from spikedistill.randomness import Draws, drawing

NEURONS = [IF(), LIF(reset=None), PLIF(), GradedReLU(), ReLU()]


def step(layer: NormAct, x: Tensor, residual: Tensor | None, steps: int | None) -> dict[str, Tensor]:
    """Output, gradients and statistics after one step."""
    x = x.clone().requires_grad_()
    layer.zero_grad()
    layer.norm.running_mean.zero_()
    y = layer(x, residual, steps=steps)
    (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
    return {
        "output": y.detach(),
        "x": x.grad,
        "weight": layer.norm.weight.grad.clone(),
        "mean": layer.norm.running_mean.clone(),
    }


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda neuron: type(neuron).__name__)
@pytest.mark.parametrize("tapped", ["norm", "current", "act"])
@pytest.mark.parametrize("held", [False, True], ids=["currents over time", "one current that is held"])
def test_a_step_that_is_tapped_inside_gives_the_same_numbers(neuron: Neuron, tapped: str, held: bool) -> None:
    compare_with_taps(neuron, tapped, held)


@pytest.mark.parametrize("tapped", ["norm", "current", "act"])
@pytest.mark.parametrize("held", [False, True], ids=["currents over time", "one current that is held"])
def test_so_does_one_that_goes_back_on_rates(tapped: str, held: bool) -> None:
    with backward_pass("rate"):
        compare_with_taps(LIF(), tapped, held)


def compare_with_taps(neuron: Neuron, tapped: str, held: bool) -> None:
    torch.manual_seed(0)
    layer = NormAct(4, neuron)
    steps = 3 if neuron.spiking else None
    x = torch.randn(1 if held else 3, 5, 4, 6, 6)
    residual = None if held else torch.randn(3, 5, 4, 6, 6)
    plain = step(layer, x, residual, steps)
    taps = attach(layer, (tapped,))
    with taps.recording():
        seen = step(layer, x, residual, steps)
    for name, value in plain.items():
        torch.testing.assert_close(seen[name], value, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
    (tap,) = taps.take().values()
    if tapped == "act":
        assert torch.equal(tap, seen["output"])
        return
    torch.manual_seed(1)
    normed = nn.functional.batch_norm(x.flatten(0, 1), None, None, training=True).view(x.shape)
    expected = normed if tapped == "norm" or residual is None else normed + residual
    torch.testing.assert_close(tap, expected.expand_as(tap), rtol=1e-4, atol=1e-5)


def test_a_step_that_nobody_looks_into_is_one_kernel(cpu_kernels: None) -> None:
    """Taps that do not record cost nothing, so an evaluation is the same with them and without."""
    layer = NormAct(4, IF())
    called = []
    layer.norm.forward = lambda x: called.append(x)  # type: ignore[method-assign]
    taps = attach(layer, ("norm", "current", "act"))
    layer(torch.randn(2, 3, 4))
    assert called == []
    assert not watched(layer.norm)
    with taps.recording():
        assert watched(layer.norm)


@pytest.mark.parametrize("kind", [kind for kind in models().values() if kind.examples()], ids=lambda kind: kind.name)
def test_stages_from_inside(kind: type) -> None:
    """What fires is the neuron's answer to its current: the norm's output, with the residual of a `BasicBlock`."""
    torch.manual_seed(0)
    model, shape = kind.examples()[-1]
    network = model.build(shape, 10, LIF())
    modules = dict(network.named_modules())
    assert all(isinstance(modules[path], NormAct) for path in network.stages)
    taps = attach(network, ("stages", "stages.current", "stages.norm"))
    with torch.no_grad(), taps.recording():
        network(torch.randn(4, *shape), 3)
    taken = taps.take()
    count, adds = len(network.stages), any(isinstance(module, BasicBlock) for module in modules.values())
    assert list(taken) == [f"{path}{inside}" for inside in ("", ".current", ".norm") for path in network.stages]
    for fires, current, norm in (list(taken.values())[k::count] for k in range(count)):
        torch.testing.assert_close(fires, LIF().forward(current, {}))
        assert torch.equal(current, norm.expand_as(current)) == (not adds)
        assert fires.unique().tolist() == [0.0, 1.0]


@torch.no_grad()
def test_a_folded_norm_can_be_tapped() -> None:
    torch.manual_seed(0)
    layer, x = ConvNorm(3, 4, 1, reads=IF()).eval(), torch.rand(2, 5, 3, 6, 6).round()
    layer[1].running_var.fill_(4.0)
    taps = attach(layer, ("0", "1"))
    with FrozenWeights():
        folded = layer(x)
        with taps.recording():
            seen = layer(x)
    conv, norm = taps.take().values()
    assert torch.equal(norm, seen)
    torch.testing.assert_close(norm, conv / 2, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(folded, seen, rtol=1e-4, atol=1e-5)


def test_pools_and_sums() -> None:
    x = torch.arange(2 * 3 * 4 * 4.0).view(1, 2, 3, 4, 4)
    assert AvgPool2d(2)(x).shape == (1, 2, 3, 2, 2)
    assert AvgPool2d(2)(x)[0, 0, 0, 0, 0] == (0 + 1 + 4 + 5) / 4
    assert torch.equal(AvgPool2d(4)(x)[..., 0, 0], GlobalMean()(x))
    assert torch.equal(Flatten()(x)[0, 1], x[0, 1].flatten()[None][0])
    assert torch.equal(Add()(x, x), 2 * x)
    padded = PadChannels(5)(x)
    assert torch.equal(padded[:, :, :3], x)
    assert torch.equal(padded[:, :, 3:], torch.zeros(1, 2, 2, 4, 4))
    pool = MaxPool2d(3, stride=2, padding=1)
    assert torch.equal(pool(x)[0], nn.MaxPool2d(3, 2, 1)(x[0]))


def test_what_reads_sums_is_told_so(cpu_kernels: None) -> None:
    """Bits are asked for only where there are some; 2 is none."""
    x = torch.tensor([0.0, 1.0, 2.0]).view(1, 1, 3, 1, 1)
    assert Conv2d(3, 2, 1, reads=IF(), summed=True)(x).shape == (1, 1, 2, 1, 1)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        Conv2d(3, 2, 1, reads=IF())(x)
    assert Linear(3, 2, reads=IF(), summed=True)(x.flatten(2)).shape == (1, 1, 2)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        Linear(3, 2, reads=IF())(x.flatten(2))


TAPPED = """
import torch
from spikedistill.models import WRN
from spikedistill.models.taps import attach
from spikedistill.neurons import IF

class Step(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.network = WRN(10, 1).build((3, 8, 8), 10, IF())
        self.taps = attach(self.network, ("stages", "stages.current"))

    def forward(self, images):
        with self.taps.recording():
            logits = self.network(images, 2)
        return logits, self.taps.take()

step, images = Step().eval(), torch.randn(2, 3, 8, 8)
compiled = torch.compile(step, backend="aot_eager", fullgraph=True)
for _ in range(2):
    torch.testing.assert_close(compiled(images), step(images))
"""


def test_a_tapped_network_compiles_into_one_graph(command: Callable[..., CompletedProcess[str]]) -> None:
    """In a process of its own: the compiler cannot see through the checks of shapes that tests make."""
    done = command(program=("-c", TAPPED))
    assert done.returncode == 0, done.stderr


def test_dropout_holds_its_places_over_time_and_keeps_the_mean() -> None:
    layer, x = Dropout(0.25, "here"), torch.ones(4, 50, 100, requires_grad=True)
    y = layer(x)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert torch.equal(y, y[:1].expand_as(y))
    assert y.mean().item() == pytest.approx(1.0, abs=0.02)
    y.sum().backward()
    assert torch.equal(x.grad, y)
    assert layer.eval()(x) is x
    assert Dropout(0.0, "here")(x) is x


def test_dropout_is_a_function_of_the_image_and_the_layer_within_a_training() -> None:
    """Not of the batch, or of its order."""
    index, x = torch.tensor([7, 3, 11]), torch.ones(2, 3, 64)
    with drawing(Draws(0, 5, index)):
        y, other = Dropout(0.5, "one")(x), Dropout(0.5, "two")(x)
    with drawing(Draws(0, 5, index[[2, 0]])):
        assert torch.equal(Dropout(0.5, "one")(x[:, :2]), y[:, [2, 0]])
    with drawing(Draws(0, 6, index)):
        assert not torch.equal(Dropout(0.5, "one")(x), y)
    assert not torch.equal(other, y)
    assert not torch.equal(Dropout(0.5, "one")(x), Dropout(0.5, "one")(x))  # torch's numbers, outside


def test_a_vote_is_the_mean_of_neighbours() -> None:
    x = torch.tensor([[[1.0, 0.0, 1.0, 0.0, 0.0, 1.0]]])
    torch.testing.assert_close(Vote(3)(x), torch.tensor([[[2 / 3, 1 / 3]]]))
