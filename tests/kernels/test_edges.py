"""What kernels, definitions and torch could disagree on: infinite charges, images narrower than a stride."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikedistill import kernels
from spikedistill.models.layers import Conv2d
from spikedistill.neurons import IF, LIF, PLIF, GradedReLU, backward_pass

pytestmark = pytest.mark.usefixtures("cpu_kernels")
INF = torch.inf
NEURONS = [IF(), IF(reset=-0.3, v_init=0.2), IF(reset=None), LIF(), LIF(reset=0.1, tau=3.0), PLIF(), GradedReLU()]


def overflowing(neuron) -> Tensor:
    """Currents [T, B, C] whose charges become infinite in other steps, and stay finite for some neurons."""
    rows = [[INF, 2, 2, 2, 2], [0.5, -INF, 3, 3, 3], [2, 3e38, 3e38, 2, 2], [2, 0.5, 2, INF, 2], [0.5, 2, 0.1, 1, 2]]
    return torch.tensor(rows).T[:, None, :].repeat(1, 3, 7)


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize("way", ["time", "rate"])
def test_an_infinite_charge_is_what_it_is_in_the_definition(neuron, way):
    """N10: after a hard reset the potential is not a number, and the neuron is silent for ever."""
    x, act = overflowing(neuron), neuron.build()
    if way == "rate" and not neuron.rates:
        return
    with backward_pass(way):
        fast = kernels.activate(x.clone().requires_grad_(), act)
    assert torch.equal(fast.isnan(), act(x).isnan())
    assert torch.equal(fast.nan_to_num(), act(x).nan_to_num())


def test_an_infinite_charge_silences_a_neuron_with_hard_reset():
    x = torch.tensor([INF, 2.0, 2.0]).view(3, 1, 1)
    assert kernels.activate(x, IF().build()).flatten().tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["bf16", "fp32"])
@pytest.mark.parametrize("reads", [None, IF(), GradedReLU()], ids=["images", "spikes", "graded"])
@pytest.mark.parametrize("way", ["time", "rate"])
@pytest.mark.parametrize(
    ("width", "kernel", "stride", "padding"),
    [(1, 3, 2, 1), (1, 5, 3, 2), (2, 3, 3, 1), (1, 1, 2, 0), (4, 3, 2, 1), (1, 3, 2, 2)],
)
def test_images_narrower_than_the_stride_have_the_weights_gradient(width, kernel, stride, padding, reads, way, dtype):
    """N13: oneDNN takes that of bfloat16 from memory that nobody wrote."""
    if way == "rate" and isinstance(reads, GradedReLU):
        return
    torch.manual_seed(0)
    layer = Conv2d(16, 16, kernel, reads=reads, stride=stride, padding=padding).to(dtype)
    for height in (1, 4, 8):
        x = (torch.rand(2, 3, 16, height, width) > 0.5).to(dtype).requires_grad_()
        with backward_pass(way):
            y = layer(x)
        g = torch.randn(y.shape[1:]).to(dtype).expand(y.shape)
        grads = torch.autograd.grad(y, (x, layer.weight), g)
        exact = x.detach().double().requires_grad_()
        weight = nn.Parameter(layer.weight.detach().double())
        expected = F.conv2d(exact.flatten(0, 1), weight, None, stride, padding).view(y.shape)
        tolerance = 1e-5 if dtype == torch.float32 else 0.02
        torch.testing.assert_close(y.double(), expected, rtol=tolerance, atol=tolerance)
        exact_grads = torch.autograd.grad(expected, (exact, weight), g.double())
        for ours, theirs in zip(grads, exact_grads, strict=True):
            assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()
