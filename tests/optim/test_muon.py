"""Muon's steps are torch's: torch.optim.Muon of the filters as matrices, and torch's SGD of all else."""

import numpy as np
import pytest
import torch
from torch import nn

from spikedistill.errors import InputError
from spikedistill.models import WRN
from spikedistill.neurons import IF
from spikedistill.optim import SGD, Muon
from spikedistill.optim.muon import orthogonal
from spikedistill.optim.optimizers import set_rate

SHAPES = {"wide": (8, 3), "square": (9, 1), "tall": (40, 2)}
ORDERS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("nesterov", [True, False])
def test_steps_are_torchs(nesterov, shape, order):
    torch.manual_seed(0)
    outputs, inputs = SHAPES[shape]
    layer = nn.Conv2d(inputs, outputs, 3).to(memory_format=ORDERS[order])
    matrix = nn.Parameter(layer.weight.detach().flatten(1).contiguous().clone())
    bias = nn.Parameter(layer.bias.detach().clone())
    value = Muon(0.2, momentum=0.8, nesterov=nesterov, filter_rate=0.05, filter_decay=0.3)
    ours = value.build([layer])
    filters = torch.optim.Muon([matrix], lr=0.05, weight_decay=0.3, momentum=0.8, nesterov=nesterov)
    rest = torch.optim.SGD([bias], lr=0.2, momentum=0.8, nesterov=nesterov)
    for factor in (1.0, 0.5, 0.25):
        set_rate(ours, 0.2 * factor)
        set_rate(filters, 0.05 * factor)
        set_rate(rest, 0.2 * factor)
        x = torch.randn(2, inputs, 6, 6)
        for steps, loss in (
            ((ours,), layer(x)),
            ((filters, rest), nn.functional.conv2d(x, matrix.view(layer.weight.shape), bias)),
        ):
            for step in steps:
                step.zero_grad()
            loss.square().sum().backward()
            for step in steps:
                step.step()
    # bfloat16 rounds what sums in another order make of the gradients
    torch.testing.assert_close(layer.weight.flatten(1), matrix, rtol=0.0, atol=2e-3)
    torch.testing.assert_close(layer.bias, bias, rtol=1e-3, atol=1e-5)
    for kept in (layer.weight, layer.weight.grad, ours.state[layer.weight]["momentum_buffer"]):
        assert kept.is_contiguous(memory_format=ORDERS[order])


@pytest.mark.parametrize("size", [(32, 288), (288, 32), (64, 64), (10, 1)], ids=str)
def test_singular_values_follow_the_polynomial_and_their_vectors_stay(size):
    """Of a matrix that is well conditioned: bfloat16's rounding grows by 3.4 in each iteration where they are small."""
    left, _, right = np.linalg.svd(np.random.default_rng(0).standard_normal(size), full_matrices=False)
    values = np.linspace(1.0, 0.3, min(size))
    matrix = torch.from_numpy(left @ np.diag(values) @ right).float()
    values /= np.linalg.norm(values)
    for _ in range(5):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    made = left.T @ orthogonal(matrix).double().numpy() @ right.T
    np.testing.assert_allclose(made, np.diag(values), atol=0.03)  # in bfloat16
    assert np.median(values) > 0.65


def test_a_gradient_of_zero_moves_nothing():
    assert orthogonal(torch.zeros(3, 9)).abs().max() == 0.0


def test_filters_alone_are_apart_and_every_parameter_is_in_one_group():
    network = WRN(16, 2).build((3, 32, 32), 10, IF())
    next(network.parameters()).requires_grad_(False)  # the first convolution, as where it whitens
    optimizer = Muon(0.1, norm_bias_factor=8.0, filter_rate=0.05).build([network])
    *rest, filters = optimizer.param_groups
    trained = [p for p in network.parameters() if p.requires_grad]
    assert {id(p) for p in filters["params"]} == {id(p) for p in trained if p.ndim == 4}
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(map(id, trained))
    set_rate(optimizer, 0.05)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.05, 0.4, 0.025])
    of_sgd = SGD(0.1, norm_bias_factor=8.0).build([network]).param_groups
    assert [group["weight_decay"] for group in rest] == [group["weight_decay"] for group in of_sgd]


def test_a_filter_without_a_gradient_stays():
    layers = nn.ModuleList([nn.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 3)])
    moved, stayed = (layer.weight.detach().clone() for layer in layers)
    optimizer = Muon().build([layers])
    layers[0](torch.ones(1, 2, 3, 3)).sum().backward()
    optimizer.step()
    assert not torch.equal(layers[0].weight, moved)
    assert torch.equal(layers[1].weight, stayed)
    assert layers[0].weight.grad is not None


def test_a_closure_is_refused_before_anything_moves():
    layer = nn.Conv2d(2, 3, 3)
    layer(torch.ones(1, 2, 3, 3)).sum().backward()
    before, grad = layer.weight.detach().clone(), layer.weight.grad
    with pytest.raises(TypeError, match="closure"):
        Muon().build([layer]).step(lambda: 0.0)
    assert torch.equal(layer.weight, before)
    assert layer.weight.grad is grad


@pytest.mark.parametrize("fields", [{"filter_rate": 0.0}, {"filter_decay": -0.1}, {"filter_rate": float("nan")}])
def test_impossible_numbers_are_refused(fields):
    with pytest.raises(InputError):
        Muon(**fields)
