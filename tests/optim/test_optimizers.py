"""Schedules against closed forms; optimisers against torch's own and against their definitions."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from spikedistill.errors import InputError
from spikedistill.models import MLP, WRN, ConvNet, ResNet
from spikedistill.neurons import PLIF
from spikedistill.optim import SGD, Adam, AdamW, Constant, Cosine, Linear, Optimizer, Schedule, Step, Triangle
from spikedistill.optim.optimizers import set_rate

OPTIMIZERS = (
    SGD(0.1, momentum=0.9, weight_decay=0.1),
    SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    Adam(0.01, weight_decay=0.1),
    AdamW(0.01, weight_decay=0.1),
)


@pytest.mark.parametrize("warmup", [0.0, 2.0])
def test_cosine_without_and_after_warm_up(warmup):
    schedule = Cosine(warmup)
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        epoch = warmup + part * (10 - warmup)
        assert schedule.factor(epoch, 10) == pytest.approx((1 + math.cos(math.pi * part)) / 2, abs=1e-12)


def test_cosine_ends_at_zero_and_stays_there():
    assert Cosine().factor(10, 10) == Cosine().factor(11, 10) == 0.0
    assert Cosine(10.0).factor(10, 10) == 1.0


def test_constant():
    assert [Constant().factor(epoch, 10) for epoch in (0, 3.3, 10)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("warmup", [0.0, 2.0])
def test_linear_without_and_after_warm_up(warmup):
    for part in (0.0, 0.25, 0.5, 1.0, 1.5):
        epoch = warmup + part * (10 - warmup)
        assert Linear(warmup).factor(epoch, 10) == pytest.approx(1 - min(part, 1.0), abs=1e-12)
        assert Linear(warmup, end=0.2).factor(epoch, 10) == pytest.approx(1 - 0.8 * min(part, 1.0), abs=1e-12)


def test_triangle_goes_through_its_corners():
    """As np.interp(step, [0, peak, end], [start, 1, end]), which is how airbench has it."""
    schedule = Triangle(start=0.2, peak=0.25, end=0.1)
    for epoch in (0.0, 0.5, 2.4, 2.5, 2.6, 5.0, 9.99, 10.0, 11.0):
        assert schedule.factor(epoch, 10) == pytest.approx(np.interp(epoch, [0, 2.5, 10], [0.2, 1.0, 0.1]), abs=1e-12)
    assert Triangle(2.0).factor(2.0 + 0.23 * 8, 10) == pytest.approx(1.0)


def test_step_multiplies_at_each_milestone():
    schedule = Step(milestones=(0.5, 0.75), gamma=0.1)
    factors = [schedule.factor(epoch, 200) for epoch in (0, 99.99, 100, 149.99, 150, 199)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("schedule", [Constant(4.0), Cosine(4.0), Step(4.0), Linear(4.0)])
def test_warm_up_rises_linearly_to_the_peak(schedule):
    assert 0 < schedule.factor(0, 100) < 1e-3
    assert [schedule.factor(epoch, 100) for epoch in (1, 2, 3)] == pytest.approx([0.25, 0.5, 0.75], abs=1e-3)
    assert schedule.factor(4, 100) == 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(learning_rate=0.0),
        lambda: Adam(learning_rate=float("nan")),
        lambda: AdamW(weight_decay=-1.0),
        lambda: SGD(weight_decay=float("nan")),
        lambda: SGD(momentum=-0.1),
        lambda: SGD(momentum=1.0),
        lambda: SGD(momentum=0.0, nesterov=True),
        lambda: Cosine(warmup_epochs=-1.0),
        lambda: Step(milestones=(0.5, 1.5)),
        lambda: Step(gamma=0.0),
        lambda: Linear(end=-0.1),
        lambda: Triangle(start=1.5),
        lambda: Triangle(peak=0.0),
        lambda: Triangle(peak=1.0),
        lambda: SGD(norm_bias_factor=0.0),
    ],
)
def test_impossible_numbers_are_refused(make):
    with pytest.raises(InputError):
        make()


def test_the_bases_are_no_choice():
    with pytest.raises(NotImplementedError):
        Optimizer().build([nn.Linear(1, 1)])
    with pytest.raises(NotImplementedError):
        Schedule().factor(1, 2)


MODELS = [
    (MLP((8,)), (1, 8, 8)),
    (ConvNet((4,), (8,)), (1, 8, 8)),
    (ResNet(18), (3, 32, 32)),
    (WRN(16, 2), (3, 32, 32)),
]


@pytest.mark.parametrize(("model", "shape"), MODELS, ids=["mlp", "convnet", "resnet", "wrn"])
def test_every_parameter_is_in_one_group_and_only_weights_decay(model, shape):
    network, extra = model.build(shape, 10, PLIF()), nn.Linear(3, 3)
    decayed, kept = SGD(weight_decay=0.5).build((network, extra)).param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.5, 0.0)
    grouped = [id(p) for group in (decayed, kept) for p in group["params"]]
    named = dict(network.named_parameters()) | {f"extra.{name}": p for name, p in extra.named_parameters()}
    assert sorted(grouped) == sorted(id(p) for p in named.values())
    weights = {name for name, p in named.items() if id(p) in {id(p) for p in decayed["params"]}}
    synapses = {
        f"{prefix}{name}.weight"
        for prefix, root in (("", network), ("extra.", extra))
        for name, module in root.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and name
    } | {"extra.weight"}
    assert weights == synapses


@pytest.mark.parametrize(("model", "shape"), MODELS, ids=["mlp", "convnet", "resnet", "wrn"])
def test_norms_biases_have_a_rate_of_their_own_and_nothing_else_has(model, shape):
    network, extra = model.build(shape, 10, PLIF()), nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3), nn.LayerNorm(3))
    optimizer = SGD(norm_bias_factor=16.0).build((network, extra))
    set_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5, 8.0]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [5e-4, 0.0, 0.0]
    apart = {id(p) for p in optimizer.param_groups[2]["params"]}
    named = dict(network.named_parameters()) | {f"extra.{name}": p for name, p in extra.named_parameters()}
    biases = {name for name in named if name.endswith("norm.bias")} | {"extra.0.bias", "extra.2.bias"}
    biases |= {name for name in named if name.endswith(".bias") and f"{name[:-4]}running_mean" in network.state_dict()}
    assert {name for name, p in named.items() if id(p) in apart} == biases
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(named)


def test_frozen_parameters_are_left_out():
    layer = nn.Linear(2, 2)
    layer.weight.requires_grad_(False)
    groups = SGD().build([layer]).param_groups
    assert [len(group["params"]) for group in groups] == [0, 1]


def plain_torch(optimizer, weight, bias):
    """Torch's optimiser of the same settings, unfused, over parameters that decay and that do not."""
    groups = [{"params": [weight], "weight_decay": optimizer.weight_decay}, {"params": [bias], "weight_decay": 0.0}]
    if isinstance(optimizer, SGD):
        return torch.optim.SGD(groups, optimizer.learning_rate, optimizer.momentum, nesterov=optimizer.nesterov)
    kind = torch.optim.AdamW if isinstance(optimizer, AdamW) else torch.optim.Adam
    return kind(groups, optimizer.learning_rate)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda value: f"{type(value).__name__}")
def test_steps_are_torchs(optimizer):
    torch.manual_seed(0)
    layer = nn.Linear(5, 3).double()
    weight, bias = (nn.Parameter(p.detach().clone()) for p in (layer.weight, layer.bias))
    ours, torchs = optimizer.build([layer]), plain_torch(optimizer, weight, bias)
    for _ in range(5):
        x = torch.randn(7, 5, dtype=torch.float64)
        for step, loss in ((ours, layer(x)), (torchs, nn.functional.linear(x, weight, bias))):
            step.zero_grad()
            loss.square().sum().backward()
            step.step()
    torch.testing.assert_close((layer.weight, layer.bias), (weight, bias), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda value: f"{type(value).__name__}")
@pytest.mark.parametrize("size", [(4, 3), (3, 3)], ids=["4x3x3x3", "3x3x3x3"])
def test_steps_over_weights_in_channels_last_order_are_torchs(optimizer, size):
    torch.manual_seed(0)
    layer = nn.Conv2d(size[1], size[0], 3).double().to(memory_format=torch.channels_last)
    weight, bias = (nn.Parameter(p.detach().clone()) for p in (layer.weight, layer.bias))
    ours, torchs = optimizer.build([layer]), plain_torch(optimizer, weight, bias)
    for _ in range(5):
        x = torch.randn(2, size[1], 5, 5, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
        for step, loss in ((ours, layer(x)), (torchs, nn.functional.conv2d(x, weight, bias))):
            step.zero_grad()
            loss.square().sum().backward()
            step.step()
    torch.testing.assert_close((layer.weight, layer.bias), (weight, bias), rtol=1e-12, atol=1e-12)
    moments = [value for value in ours.state[layer.weight].values() if value.dim()]
    assert moments
    for value in (layer.weight, layer.weight.grad, *moments):
        assert value.shape == weight.shape
        assert value.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda value: f"{type(value).__name__}")
def test_weights_in_channels_last_order_are_walked_without_a_copy(optimizer):
    layer = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    built = optimizer.build([layer])
    for _ in range(2):
        built.zero_grad()
        layer(torch.ones(1, 3, 5, 5)).sum().backward()
        assert layer.weight.grad.is_contiguous(memory_format=torch.channels_last)
        with torch.profiler.profile() as profiled:
            built.step()
    assert "aten::contiguous" not in {event.key for event in profiled.key_averages()}


def test_a_closure_is_refused():
    with pytest.raises(TypeError, match="closure"):
        SGD().build([nn.Linear(2, 2)]).step(lambda: 0.0)


def test_sgd_step_in_closed_form():
    """w <- w - rate * (gradient + decay * w), and no decay of the bias."""
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, 2.0)
    nn.init.constant_(layer.bias, 3.0)
    optimizer = SGD(0.5, momentum=0.0, weight_decay=0.1).build([layer])
    layer(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    assert layer.weight.item() == pytest.approx(2.0 - 0.5 * (1.0 + 0.1 * 2.0))
    assert layer.bias.item() == pytest.approx(3.0 - 0.5 * 1.0)


def test_weight_decay_is_given_by_name():
    """The second number of torch's SGD is the momentum."""
    assert SGD(0.1, 0.9).momentum == 0.9
