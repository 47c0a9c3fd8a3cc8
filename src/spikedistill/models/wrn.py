"""Pre-activation residual networks (He et al., ECCV 2016), also wide ones (Zagoruyko and Komodakis, BMVC 2016).

There is no dropout. Both count their layers in their own way: WRN's depth has the two shortcuts that change shape,
6n + 4, and PreResNet's has not, 6n + 2.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.models.layers import Add, Conv2d, GlobalMean, Linear, NormAct
from spikedistill.models.model import Model, Network, Shape
from spikedistill.neurons import BatchNorm, Neuron, Normalisation
from spikedistill.values.checks import check_count


class PreActBlock(nn.Module):
    """Norm, activation, 3x3 convolution, twice; a shortcut that changes shape is a 1x1 convolution of the first spikes.

    Currents, not spikes, are summed, so the shortcut of an SNN carries the membrane's input.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: Neuron, norm: Normalisation) -> None:
        super().__init__()
        self.act1 = NormAct(in_channels, neuron, norm)
        self.conv1 = Conv2d(in_channels, channels, 3, reads=neuron, stride=stride, padding=1)
        self.act2 = NormAct(channels, neuron, norm)
        self.conv2 = Conv2d(channels, channels, 3, reads=neuron, padding=1)
        self.shortcut = None
        if stride != 1 or in_channels != channels:
            self.shortcut = Conv2d(in_channels, channels, 1, reads=neuron, stride=stride)
        self.add = Add()

    def forward(self, x: Tensor, steps: int | None = None) -> Tensor:
        """Outputs [T, B, channels, H / stride, W / stride]; `steps` where x is static and to be held."""
        spikes = self.act1(x, steps=steps)
        current = self.conv2(self.act2(self.conv1(spikes)))
        y: Tensor = self.add(current, x if self.shortcut is None else self.shortcut(spikes))
        return y


class WRNetwork(Network):
    """Stem, three stages of pre-activation blocks, norm, activation, global average pooling, linear readout with bias.

    A stage ends in the neurons that read the sum of its currents: those of the next stage's first block, or the last.
    The readout starts with PyTorch's default weights and a bias of zero.
    """

    def __init__(
        self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation, blocks: int, widen: int
    ) -> None:
        super().__init__()
        self.stem = Conv2d(shape[0], 16, 3, padding=1)
        in_channels = 16
        self.blocks = nn.ModuleList()
        for k in range(3):
            channels = 16 * widen * 2**k
            for b in range(blocks):
                self.blocks.append(PreActBlock(in_channels, channels, 2 if b == 0 and k > 0 else 1, neuron, norm))
                in_channels = channels
        self.act = NormAct(in_channels, neuron, norm)
        self.stages = (f"blocks.{blocks}.act1", f"blocks.{2 * blocks}.act1", "act")
        self.mean = GlobalMean()
        self.head = Linear(in_channels, classes)
        nn.init.zeros_(self.head.bias)

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`."""
        x = self.stem(frames)
        for block in self.blocks:
            x = block(x, steps)
        logits: Tensor = self.head(self.mean(self.act(x)))
        return logits


@dataclass(frozen=True)
class WRN(Model):
    """Wide ResNet of depth 6n + 4."""

    name = "wrn"

    depth: int = 16
    """Number of layers, 6n + 4."""
    widen: int = 2
    """Factor on the channels 16, 32, 64 of the three stages."""

    def __post_init__(self) -> None:
        check_count(self, "depth", low=10, high=1300)
        check_count(self, "widen", high=2**8)
        if (self.depth - 4) % 6:
            raise InputError(f"depth must be 10, 16, 22, ... (6n + 4), not {self.depth}.")

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`."""
        return WRNetwork(shape, classes, neuron, norm, (self.depth - 4) // 6, self.widen)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """KDSNN's WRN16-2, 0.69 M parameters, and WRN28-4, 5.85 M and 849.33 M operations; reverse KD's WRN16-4."""
        return [(cls(16, 2), (3, 32, 32)), (cls(16, 4), (3, 32, 32)), (cls(28, 4), (3, 32, 32))]


@dataclass(frozen=True)
class PreResNet(Model):
    """Pre-activation ResNet of depth 6n + 2 at 16, 32 and 64 channels: a Wide ResNet that is not wide.

    A shortcut that changes shape reads the block's first spikes, as in WRN and in He et al.'s code; some public code
    for PyTorch has it read the currents.
    """

    name = "preresnet"

    depth: int = 20
    """Number of layers, 6n + 2."""

    def __post_init__(self) -> None:
        check_count(self, "depth", low=8, high=1298)
        if (self.depth - 2) % 6:
            raise InputError(f"depth must be 8, 14, 20, ... (6n + 2), not {self.depth}.")

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`."""
        return WRNetwork(shape, classes, neuron, norm, (self.depth - 2) // 6, 1)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """KDSNN's teacher PreResNet-20."""
        return [(cls(20), (3, 32, 32))]
