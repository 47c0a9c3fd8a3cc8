"""What the kernels do not know in full is the definition's: other kinds, other fields, other modules."""

import dataclasses
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from spikedistill import kernels, neurons
from spikedistill.kernels import codes
from spikedistill.neurons import IF, LIF, PLIF, Activation, BatchNorm, GradedReLU, Norm, ReLU, Sigmoid, Triangle

NEURONS = [IF(), LIF(tau=3.0), PLIF(), GradedReLU(), ReLU(), IF(surrogate=Triangle())]


@dataclass(frozen=True)
class Offset(IF):
    """Fires later by a new field."""

    offset: float = 0.25

    def charge(self, v: Tensor, x: Tensor, learned) -> Tensor:
        return v + x - self.offset


@dataclass(frozen=True)
class Wider(Sigmoid):
    """A surrogate with a new field."""

    floor: float = 0.5

    def gradient(self, x: Tensor) -> Tensor:
        return super().gradient(x) + self.floor


@dataclass(frozen=True)
class Halving(BatchNorm):
    """A norm with a new field, which its module reads."""

    factor: float = 0.5

    def build(self, channels: int) -> "HalvingNorm":
        return HalvingNorm(channels, self)


class HalvingNorm(Norm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.kind.factor


class Doubling(Activation):
    """A layer that does more than its neuron."""

    def forward(self, current: Tensor, steps: int | None = None) -> Tensor:
        return 2.0 * super().forward(current, steps)


def add_field(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    """Let a kind of the library have a field that no kernel has heard of."""
    extra = dataclasses.field()
    extra.name, extra._field_type = "extra", dataclasses._FIELD
    monkeypatch.setattr(codes, "_checked", {})
    monkeypatch.setattr(kind, "__dataclass_fields__", {**kind.__dataclass_fields__, "extra": extra})


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_the_librarys_own_are_known_until_they_get_a_new_field(neuron, monkeypatch):
    assert codes.known(neuron.build())
    add_field(monkeypatch, type(neuron))
    assert not codes.known(neuron.build())


def test_a_surrogate_or_norm_with_a_new_field_is_not_known(monkeypatch):
    act, norm = IF().build(), BatchNorm().build(4)
    assert codes.known(act)
    assert codes.known_norm(norm)
    add_field(monkeypatch, Sigmoid)
    add_field(monkeypatch, BatchNorm)
    assert not codes.known(act)
    assert not codes.known_norm(norm)


@pytest.mark.parametrize(
    ("norm", "act"),
    [
        (BatchNorm(), Offset().build()),
        (BatchNorm(), IF(surrogate=Wider()).build()),
        (Halving(), IF().build()),
        (BatchNorm(), Doubling(IF())),
        (BatchNorm(), Doubling(ReLU())),
    ],
    ids=["neuron", "surrogate", "norm", "layer", "layer of an ANN"],
)
def test_kinds_of_ones_own_are_computed_as_they_say(norm, act):
    """The same numbers as the definition, where a kernel that chose by type alone would give others."""
    torch.manual_seed(0)
    x = torch.randn(3, 2, 4, 5, 5, requires_grad=True)
    outputs = []
    for norm_act in (kernels.norm_act, neurons.norm_act):
        y = norm_act(x, norm.build(4), act)
        (grad,) = torch.autograd.grad(y, x, torch.ones_like(y))
        outputs.append((y, grad))
    (ours, our_grad), (definition, grad) = outputs
    assert torch.equal(ours, definition)
    assert torch.equal(our_grad, grad)
    assert torch.equal(kernels.activate(x, act), act(x))


def test_other_dtypes_are_the_definitions():
    x, norm = torch.randn(3, 2, 4, dtype=torch.float64), Norm(4).double()
    assert torch.equal(kernels.norm_act(x, norm, IF().build()), neurons.norm_act(x, norm, IF().build()))
