"""Weights that are made ready once give the same results."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from spikedistill import kernels
from spikedistill.data.normalise import normalise
from spikedistill.evaluate.accuracy import accuracy
from spikedistill.kernels import FrozenWeights
from spikedistill.kernels.choice import VARIABLE
from spikedistill.models import VGG, WRN, ConvNet, PyramidNet, ResNet, SEWResNet
from spikedistill.models.layers import ConvNorm
from spikedistill.neurons import IF, Norm

pytestmark = pytest.mark.usefixtures("cpu_kernels")
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
LAYERS = [
    nn.Conv2d(5, 7, 3, padding=1, bias=False),
    nn.Conv2d(16, 32, 3, stride=2, bias=False),
    nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4, bias=False),
    nn.Conv2d(6, 4, 1, bias=False),
    nn.Conv2d(6, 4, 3, padding=1, bias=False, padding_mode="circular"),
    nn.Conv2d(6, 4, 3, padding="same", bias=False),
    nn.Conv2d(6, 4, 3),
]


def images(layer: nn.Conv2d, dtype: torch.dtype = torch.float32, batch: int = 3) -> torch.Tensor:
    x = torch.randn(batch, layer.in_channels, 9, 8, generator=torch.Generator().manual_seed(0))
    return x.to(dtype, memory_format=torch.channels_last)


def plain(x: torch.Tensor, layer: nn.Conv2d) -> torch.Tensor:
    return copy.deepcopy(layer).to(x.dtype)(x)


@DTYPES
@pytest.mark.parametrize("layer", LAYERS, ids=str)
@torch.no_grad()
def test_convolutions_give_what_pytorch_gives(layer, dtype):
    constant = FrozenWeights()
    for batch in (3, 3, 1):
        x = images(layer, dtype, batch)
        with constant:
            y = kernels.conv2d(x, layer)
        assert y.dtype == dtype
        # PyTorch may take another algorithm for weights in another order: the last bit of bf16
        assert torch.allclose(y, plain(x, layer), atol=1e-6, rtol=1e-6 if dtype == torch.float32 else 0.01)


def worn(norm: Norm) -> Norm:
    """The norm in eval mode, with parameters and statistics of a training."""
    with torch.no_grad():
        for values in (norm.weight, norm.bias, norm.running_mean):
            values.copy_(torch.randn(values.shape))
        norm.running_var.uniform_(0.1, 4.0)
    return norm.eval()


@DTYPES
@torch.no_grad()
def test_a_norm_alone_is_folded_into_its_convolution(dtype):
    torch.manual_seed(0)
    layer = ConvNorm(16, 32, 1, reads=IF(), stride=2)
    worn(layer[1])
    x = torch.randn(4, 3, 16, 8, 8)
    exact = copy.deepcopy(layer).double()(x.to(dtype).double())
    called: list[torch.Tensor] = []
    norm = layer[1].forward
    layer[1].forward = lambda x: (called.append(x), norm(x))[1]  # a hook would want to see it unfolded
    constant = FrozenWeights()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        plain_way = layer(x)
        assert len(called) == 1
        with constant:
            folded = layer(x)
            again = layer(x[:, :1])
            assert len(called) == 1
            layer[1].train()
            layer(x)
            assert len(called) == 2
    assert folded.dtype == plain_way.dtype == dtype
    assert torch.allclose(again, folded[:, :1], rtol=1e-2, atol=1e-2)
    errors = [(y.double() - exact).abs().max().item() for y in (plain_way, folded)]
    assert errors[1] < (1e-5 if dtype == torch.float32 else 2 * errors[0] + 1e-3)


@torch.no_grad()
def test_two_norms_after_one_convolution_are_not_confused():
    torch.manual_seed(0)
    layer, x = ConvNorm(4, 6, 1, reads=IF()), torch.randn(2, 3, 4, 5, 5)
    others = [worn(Norm(6)) for _ in range(2)]
    with FrozenWeights():
        for norm in (*others, *others):
            layer[1] = norm
            torch.testing.assert_close(layer(x), norm(layer[0](x)))


@torch.no_grad()
def test_a_weight_is_made_ready_once():
    conv, linear = nn.Conv2d(5, 7, 3, bias=False), nn.Linear(5, 7)
    x, rows = images(conv, torch.bfloat16), torch.randn(4, 5).bfloat16()
    constant = FrozenWeights()
    with constant:
        before = kernels.conv2d(x, conv), kernels.linear(rows, linear)
        conv.weight.zero_()
        linear.weight.zero_()
    with constant:  # entered again, it still takes them for what they were
        assert torch.equal(kernels.conv2d(x, conv), before[0])
        assert torch.equal(kernels.linear(rows, linear), before[1])
    assert kernels.conv2d(x, conv).abs().max() == 0
    with FrozenWeights():
        assert kernels.conv2d(x, conv).abs().max() == 0
        assert torch.equal(kernels.linear(rows, linear), linear.bias.bfloat16().expand(4, 7))


@torch.no_grad()
def test_copies_of_the_last_two_shapes_are_kept(monkeypatch):
    """F15: one per shape of the batch, for a whole training."""
    conv, made = nn.Conv2d(5, 7, 3, bias=False), []
    reorder = torch.ops.mkldnn._reorder_convolution_weight
    monkeypatch.setattr(
        torch.ops.mkldnn, "_reorder_convolution_weight", lambda *a: made.append(a[-1][0]) or reorder(*a)
    )
    constant = FrozenWeights()
    with constant:
        for batch in (4, 3, 4, 2, 4, 3, 3, 4):
            kernels.conv2d(images(conv, batch=batch), conv)
            assert sum(len(copies) for _, copies in constant._made.values()) <= 2
    assert made == [4, 3, 2, 3]  # the one that was used longest ago went


@torch.no_grad()
def test_what_was_made_can_be_forgotten():
    conv = nn.Conv2d(5, 7, 3, bias=False)
    constant = FrozenWeights()
    with constant:
        kernels.conv2d(images(conv), conv)
        conv.weight.zero_()
        constant.forget()
        assert not constant._made
        assert kernels.conv2d(images(conv), conv).abs().max() == 0


def test_gradients_go_past_it():
    conv = nn.Conv2d(5, 7, 3, bias=False)
    with FrozenWeights():
        kernels.conv2d(images(conv), conv).sum().backward()
    assert conv.weight.grad is not None


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_evaluation_between_steps_sees_the_new_weights(optimizer, stripes):
    """Fused optimisers change weights without counting it, so what is kept must end with the evaluation."""
    data = stripes()
    splits = data.load()
    torch.manual_seed(0)
    network = ConvNet((4,), (8,)).build(data.shape, data.classes, IF())
    step = optimizer(network.parameters(), 0.5, fused=True)
    x = normalise(splits.test.images, data.mean, data.std)
    for _ in range(3):
        F.cross_entropy(network(x, 2).mean(0), splits.test.labels).backward()
        step.step()
        fresh = copy.deepcopy(network)
        results = [accuracy(net, splits.test, data, 2, precision="bf16") for net in (network, fresh)]
        assert results[0] == results[1]


@pytest.mark.parametrize(
    "model",
    [
        WRN(10, 1),
        ResNet(18, width=8),
        PyramidNet((1, 1), stem=4, widen=8),
        SEWResNet(18, width=8),
        VGG(11, "avg", (), width=8),
    ],
    ids=lambda model: model.name,
)
def test_whole_networks(model, monkeypatch):
    network = model.build((3, 16, 16), 10, IF()).eval()
    x = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        slow = network(x, 4)
        with FrozenWeights():
            fast = network(x, 4)
    assert torch.allclose(fast, slow, atol=1e-5)
    with torch.inference_mode(), FrozenWeights():
        assert torch.equal(network(x, 4), fast)
    monkeypatch.setenv(VARIABLE, "reference")
    with torch.no_grad(), FrozenWeights():
        assert torch.allclose(network(x, 4), slow, atol=1e-5)
