"""Convolution, linear map and pooling of spikes against PyTorch's own."""

import pytest
import torch
from torch import Tensor, nn

from spikedistill import kernels
from spikedistill.kernels.cpu import ops

pytestmark = pytest.mark.usefixtures("cpu_kernels")
DTYPES = pytest.mark.parametrize("dtype", ops.DTYPES, ids=["fp32", "bf16"])


def spikes(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    x = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.3).to(dtype)
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def results(function, x: Tensor, layer: nn.Module) -> list[Tensor]:
    x = x.detach().requires_grad_()
    y = function(x)
    grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, [x, *layer.parameters()], grad)]


def kept_bytes(function) -> int:
    """Bytes saved for the backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        function()
    return sum(kept.values())


@DTYPES
@pytest.mark.parametrize(
    "shape", [(2, 3, 5, 7), (4, 16, 8, 8), (1, 17, 3, 3), (2, 6), (3, 2, 130), (3, 2, 1, 5, 7)], ids=str
)
def test_spikes_survive_packing(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = spikes(*shape, dtype=dtype)
    bits = torch.ops.spikedistill.pack_spikes(x)
    assert bits.numel() == (x.numel() + 7) // 8 + ops.PADDING
    assert torch.ops.spikedistill.unpack_spikes(bits, x.shape, dtype).equal(x)


@pytest.mark.parametrize("value", [0.5, 2.0, -1.0, float("nan")])
@pytest.mark.parametrize("place", [0, 64, 129], ids=["full", "next", "rest"])
def test_what_is_no_spike_is_refused(value: float, place: int) -> None:
    x = spikes(2, 65)
    x.view(-1)[place] = value
    with pytest.raises(ValueError, match="0 or 1"):
        torch.ops.spikedistill.pack_spikes(x)


CONVOLUTIONS = [
    nn.Conv2d(5, 7, 3, padding=1, bias=False),
    nn.Conv2d(5, 7, 3, stride=2, padding=1),
    nn.Conv2d(5, 7, 1, bias=False),
    nn.Conv2d(5, 10, 3, dilation=2, groups=5),
]


@DTYPES
@pytest.mark.parametrize("conv", CONVOLUTIONS, ids=str)
def test_convolution(conv: nn.Conv2d, dtype: torch.dtype) -> None:
    x = spikes(3, 5, 9, 7, dtype=dtype)
    same = nn.Conv2d.forward if dtype == torch.float32 else None
    expected = results((lambda x: same(conv, x)) if same else (lambda x: in_dtype(conv, x)), x, conv)
    for fast, slow in zip(results(lambda x: kernels.spiking_conv2d(x, conv), x, conv), expected, strict=True):
        torch.testing.assert_close(fast, slow)


@pytest.mark.parametrize("conv", CONVOLUTIONS, ids=str)
def test_convolution_of_anything(conv: nn.Conv2d) -> None:
    """It shares the backward pass in bfloat16, and neither asks for spikes nor keeps bits."""
    x = torch.randn(3, 5, 9, 7, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last)
    expected = results(lambda x: in_dtype(conv, x), x, conv)
    for fast, slow in zip(results(lambda x: kernels.conv2d(x, conv), x, conv), expected, strict=True):
        torch.testing.assert_close(fast, slow)


PRODUCTS = {  # convolutions whose gradients are products of matrices, and a size of image
    "3x3": (nn.Conv2d(256, 260, 3, padding=1, bias=False), (4, 4)),
    "stride": (nn.Conv2d(256, 256, 3, stride=2, padding=1), (8, 7)),
    "padding-beyond-the-image": (nn.Conv2d(256, 256, 5, padding=3), (1, 2)),
    "no-padding": (nn.Conv2d(257, 256, (2, 3)), (4, 3)),
    "dilation": (nn.Conv2d(256, 256, 3, stride=(1, 3), padding=(2, 3), dilation=(2, 3)), (3, 8)),
    "pixels": (nn.Conv2d(6, 7, 1, stride=2, bias=False), (8, 7)),
    "pixels-of-rows": (nn.Conv2d(6, 7, 1, stride=(3, 1)), (8, 2)),
}


@pytest.mark.parametrize(("conv", "size"), PRODUCTS.values(), ids=PRODUCTS)
@pytest.mark.parametrize("wanted", [(True, True, True), (False, True, False), (True, False, False)], ids=str)
def test_gradients_by_products_of_matrices(
    conv: nn.Conv2d, size: tuple[int, int], wanted: tuple[bool, bool, bool]
) -> None:
    x = spikes(3, conv.in_channels, *size, dtype=torch.bfloat16)
    weight = conv.weight.detach().to(torch.bfloat16)
    geometry = (conv.stride, conv.padding, conv.dilation, conv.groups)
    grad = torch.randn_like(nn.functional.conv2d(x, weight, None, *geometry))
    with torch.profiler.profile() as profiled:
        got = ops.conv2d_backward(grad, x, weight, geometry, wanted)
    products = "aten::mm" in {event.key for event in profiled.key_averages()}
    assert products == (wanted[0] if conv.kernel_size == (1, 1) else wanted[1])
    expected = torch.ops.aten.convolution_backward(
        *(grad.double(), x.double(), weight.double(), [conv.out_channels]),
        *(conv.stride, conv.padding, conv.dilation, False, [0, 0], conv.groups, [True] * 3),
    )
    for ours, exact, want in zip(got, expected, wanted, strict=True):
        if not want:
            assert ours is None
            continue
        assert ours.shape == exact.shape
        torch.testing.assert_close(ours.double(), exact, rtol=2**-7, atol=1e-3 * exact.abs().max().item())


@pytest.mark.parametrize("function", [kernels.conv2d, kernels.spiking_conv2d], ids=lambda one: one.__name__)
def test_layers_have_these_gradients(function) -> None:
    conv, size = PRODUCTS["3x3"]
    x = spikes(3, conv.in_channels, *size, dtype=torch.bfloat16)
    with torch.profiler.profile() as profiled:
        results(lambda x: function(x, conv), x, conv)
    assert "aten::mm" in {event.key for event in profiled.key_averages()}


def in_dtype(layer: nn.Module, x: Tensor) -> Tensor:
    return torch.func.functional_call(layer, {n: p.to(x.dtype) for n, p in layer.named_parameters()}, (x,))


@DTYPES
@pytest.mark.parametrize("shape", [(6, 37), (3, 2, 37)], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "plain"])
def test_linear(shape: tuple[int, ...], bias: bool, dtype: torch.dtype) -> None:
    linear = nn.Linear(37, 11, bias=bias)
    x = spikes(*shape, dtype=dtype)
    expected = results(lambda x: in_dtype(linear, x), x, linear)
    for fast, slow in zip(results(lambda x: kernels.spiking_linear(x, linear), x, linear), expected, strict=True):
        torch.testing.assert_close(fast, slow)


def test_under_autocast_layers_compute_in_its_dtype() -> None:
    conv, linear = nn.Conv2d(5, 7, 3), nn.Linear(37, 11)
    with torch.autocast("cpu", torch.bfloat16):
        pairs = [
            (kernels.spiking_conv2d(spikes(2, 5, 8, 8), conv), conv(spikes(2, 5, 8, 8))),
            (kernels.spiking_linear(spikes(2, 37), linear), linear(spikes(2, 37))),
        ]
    for fast, slow in pairs:
        assert fast.dtype == torch.bfloat16
        torch.testing.assert_close(fast, slow)


def test_inputs_are_kept_as_bits() -> None:
    conv, linear = nn.Conv2d(64, 8, 1, bias=False), nn.Linear(512, 8, bias=False)
    x, rows = spikes(4, 64, 16, 16), spikes(100, 512)
    weights = 4 * (conv.weight.numel() + linear.weight.numel())
    kept = kept_bytes(lambda: (kernels.spiking_conv2d(x, conv), kernels.spiking_linear(rows, linear)))
    assert kept - weights == (x.numel() + rows.numel()) / 8 + 2 * ops.PADDING


def test_without_gradients_nothing_is_checked_or_kept() -> None:
    conv = nn.Conv2d(5, 7, 3)
    x = torch.randn(2, 5, 8, 8)
    with torch.no_grad():
        assert kernels.spiking_conv2d(x, conv).equal(conv(x))
    with pytest.raises(ValueError, match="0 or 1"):
        kernels.spiking_conv2d(x, conv)


@DTYPES
@pytest.mark.parametrize(
    ("shape", "size"), [((2, 3, 6, 8), 2), ((3, 64, 5, 7), 2), ((1, 70, 9, 10), 3), ((2, 5, 4, 4), 4)]
)
def test_max_pooling(shape: tuple[int, ...], size: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(shape, generator=generator).to(dtype)
    for x in (real, spikes(*shape, dtype=dtype), real.round()):  # the last two are full of equal values
        expected = results(lambda x: nn.functional.max_pool2d(x, size), x, nn.Identity())
        for fast, slow in zip(results(lambda x: kernels.max_pool2d(x, size), x, nn.Identity()), expected, strict=True):
            assert fast.equal(slow)


def test_max_pooling_passes_nan_on() -> None:
    x = torch.tensor([[1.0, float("nan")], [float("nan"), 2.0]]).view(1, 1, 2, 2)
    expected = results(lambda x: nn.functional.max_pool2d(x, 2), x, nn.Identity())
    y, grad = results(kernels.max_pool2d, x, nn.Identity())
    assert y.isnan().all()
    assert grad.equal(expected[1])


def test_max_pooling_keeps_one_byte_per_output() -> None:
    x = torch.randn(2, 16, 8, 8, requires_grad=True)
    assert kept_bytes(lambda: kernels.max_pool2d(x)) == x.numel() / 4
