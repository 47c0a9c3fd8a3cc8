"""The architectures of `spikedistill.models` with anybody's layers, for the peers.

`Parts` are a peer's layers. The modules take whatever those take: one time step [B, ...], all of them [T, B, ...], or
time and batch folded. Modules are registered in our networks' order, so that weights can be copied one by one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from benchmarks.tasks import Net


@dataclass(frozen=True)
class Parts:
    """A peer's layers."""

    conv: Callable[..., nn.Module]
    """Like `nn.Conv2d`."""
    norm: Callable[[int], nn.Module]
    """Of channels, on images."""
    norm_flat: Callable[[int], nn.Module]
    """Of features."""
    linear: Callable[..., nn.Module]
    """Like `nn.Linear`."""
    pool: Callable[[int], nn.Module]
    """Like `nn.MaxPool2d`."""
    node: Callable[[], nn.Module]
    """A layer of neurons."""


class Peer(nn.Module):
    """A network in two pieces: what sees the static image, and the rest, which starts with neurons.

    WRN adds the stem's own output to its first block, so its first norm belongs to the rest.
    """

    def __init__(self, stem: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.stem, self.body = stem, body


def build(net: Net, parts: Parts) -> Peer:
    """The network of that description."""
    return {"convnet": convnet, "wrn": wrn, "resnet": resnet, "mlp": mlp}[net.kind](net, parts, **net.options)


def convnet(net: Net, parts: Parts, channels: tuple[int, ...], hidden: tuple[int, ...]) -> Peer:
    """Convolution, norm, neuron, 2x2 maximum; linear layers with norm and neuron; a linear readout. No biases."""
    stem = nn.Sequential(_conv3(parts, net.shape[0], channels[0]), parts.norm(channels[0]))
    body = nn.Sequential(parts.node(), parts.pool(2))
    for a, b in pairwise(channels):
        body.extend([_conv3(parts, a, b), parts.norm(b), parts.node(), parts.pool(2)])
    shrink = 2 ** len(channels)
    features = channels[-1] * (net.shape[1] // shrink) * (net.shape[2] // shrink)
    body.append(Flat())
    for a, b in pairwise((features, *hidden)):
        body.extend([parts.linear(a, b, bias=False), parts.norm_flat(b), parts.node()])
    return Peer(stem, body.append(parts.linear((features, *hidden)[-1], net.classes, bias=False)))


def mlp(net: Net, parts: Parts, hidden: tuple[int, ...]) -> Peer:
    """Linear layers with norm and neuron, and a linear readout with bias."""
    features = math.prod(net.shape)
    stem = nn.Sequential(Flat(), parts.linear(features, hidden[0], bias=False), parts.norm_flat(hidden[0]))
    body = nn.Sequential(parts.node())
    for a, b in pairwise(hidden):
        body.extend([parts.linear(a, b, bias=False), parts.norm_flat(b), parts.node()])
    return Peer(stem, body.append(parts.linear(hidden[-1], net.classes)))


def resnet(net: Net, parts: Parts, width: int) -> Peer:
    """ResNet-18 with the CIFAR stem."""
    stem = nn.Sequential(_conv3(parts, net.shape[0], width), parts.norm(width))
    body, in_channels = nn.Sequential(parts.node()), width
    for k in range(4):
        for b in range(2):
            body.append(BasicBlock(parts, in_channels, width * 2**k, 2 if b == 0 and k > 0 else 1))
            in_channels = width * 2**k
    return Peer(stem, body.extend([AveragePool(), parts.linear(in_channels, net.classes)]))


def wrn(net: Net, parts: Parts, depth: int, widen: int) -> Peer:
    """Wide ResNet, pre-activation."""
    stem = _conv3(parts, net.shape[0], 16)
    body, in_channels = nn.Sequential(), 16
    for k in range(3):
        for b in range((depth - 4) // 6):
            body.append(PreActBlock(parts, in_channels, 16 * widen * 2**k, 2 if b == 0 and k > 0 else 1))
            in_channels = 16 * widen * 2**k
    tail = [parts.norm(in_channels), parts.node(), AveragePool(), parts.linear(in_channels, net.classes)]
    return Peer(stem, body.extend(tail))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; neurons follow the addition."""

    def __init__(self, parts: Parts, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv3(parts, in_channels, channels, stride)
        self.norm1, self.node1 = parts.norm(channels), parts.node()
        self.conv2 = _conv3(parts, channels, channels)
        self.norm2, self.node2 = parts.norm(channels), parts.node()
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != channels:
            self.shortcut.append(parts.conv(in_channels, channels, 1, stride=stride, bias=False))
            self.shortcut.append(parts.norm(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Spikes."""
        current = self.norm2(self.conv2(self.node1(self.norm1(self.conv1(x)))))
        y: Tensor = self.node2(current + self.shortcut(x))
        return y


class PreActBlock(nn.Module):
    """Norm, neurons, 3x3 convolution, twice; a shortcut that changes shape is a convolution of the first spikes."""

    def __init__(self, parts: Parts, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.node1 = parts.norm(in_channels), parts.node()
        self.conv1 = _conv3(parts, in_channels, channels, stride)
        self.norm2, self.node2 = parts.norm(channels), parts.node()
        self.conv2 = _conv3(parts, channels, channels)
        self.shortcut = None
        if stride != 1 or in_channels != channels:
            self.shortcut = parts.conv(in_channels, channels, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Currents."""
        spikes = self.node1(self.norm1(x))
        y: Tensor = self.conv2(self.node2(self.norm2(self.conv1(spikes))))
        return y + (x if self.shortcut is None else self.shortcut(spikes))


class Flat(nn.Module):
    """Channels, height and width as one dimension."""

    def forward(self, x: Tensor) -> Tensor:
        """Features [..., C * H * W]."""
        return x.flatten(-3)


class AveragePool(nn.Module):
    """Mean over height and width."""

    def forward(self, x: Tensor) -> Tensor:
        """Features [..., C]."""
        return x.mean((-2, -1))


def _conv3(parts: Parts, in_channels: int, channels: int, stride: int = 1) -> nn.Module:
    return parts.conv(in_channels, channels, 3, stride=stride, padding=1, bias=False)
