"""What the contenders are held against: an ordinary network, the convolutions alone, a copy."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.ours import BF16, SHAPES_ONLY, Held, alone, build
from benchmarks.tasks import Inference, Layer, NetworkTask
from benchmarks.work import Side, Work, work
from spikedistill.kernels.choice import implementation
from spikedistill.neurons import ReLU


def ann(task: NetworkTask, device: torch.device) -> Work:
    """Our network with ReLU at T = 1."""

    def network(task: NetworkTask) -> nn.Module:
        implementation("cpu")
        return Held(build(task.net, ReLU()), 1)

    return alone(task, Side(network, BF16.layer, bf16=True, channels_last=True, constant=BF16.constant), device)


def copy(task: Layer, device: torch.device) -> Work:
    """Forward and backward of `clone`: the traffic that a layer cannot do without."""

    class Clone(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.clone()

    return work(task, Side(BF16.network, lambda _: Clone(), bf16=True, channels_last=True), device)


@dataclass(frozen=True)
class Convolution:
    """One convolution of a network: the shapes of its folded input and of its weight, stride and padding."""

    x: tuple[int, ...]
    weight: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    first: bool
    """The gradient of the images is not asked for."""


def shapes(task: NetworkTask) -> list[Convolution]:
    """The convolutions that our network does in one step; the first sees a static image once, not T times."""
    found: list[Convolution] = []

    def note(conv: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001
        assert isinstance(conv, nn.Conv2d)
        x = tuple(inputs[0].flatten(0, 1).shape)
        found.append(Convolution(x, tuple(conv.weight.shape), conv.stride, conv.padding, not found))

    with torch.device("meta"), torch.no_grad():
        network = build(task.net, SHAPES_ONLY).eval()
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(note)
        network(torch.empty(task.batch, *task.net.shape), task.steps)
    return found


def convolutions(task: NetworkTask, device: torch.device) -> Work:
    """Forward and backward (forward alone for inference) of a network's convolutions, one after the other."""
    passes = [
        _forward_only(conv, device) if isinstance(task, Inference) else _both(conv, device) for conv in shapes(task)
    ]

    def step() -> None:
        for one in passes:
            one()

    return Work(step)


def _operands(conv: Convolution, device: torch.device) -> tuple[Tensor, Tensor]:
    x, weight = (torch.randn(shape, device=device).bfloat16() for shape in (conv.x, conv.weight))
    return x.contiguous(memory_format=torch.channels_last), weight.contiguous(memory_format=torch.channels_last)


def _forward_only(conv: Convolution, device: torch.device) -> Callable[[], None]:
    x, weight = _operands(conv, device)

    @torch.no_grad()
    def run() -> None:
        F.conv2d(x, weight, None, conv.stride, conv.padding)

    return run


def _both(conv: Convolution, device: torch.device) -> Callable[[], None]:
    x, weight = _operands(conv, device)
    x.requires_grad_(not conv.first)
    weight.requires_grad_()
    grad = torch.randn_like(F.conv2d(x, weight, None, conv.stride, conv.padding).detach())

    def run() -> None:
        x.grad = weight.grad = None
        F.conv2d(x, weight, None, conv.stride, conv.padding).backward(grad)

    return run
