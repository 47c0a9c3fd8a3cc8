"""Residual networks with the CIFAR stem (He et al., CVPR 2016; 3x3 stem without pooling, as in public CIFAR code)."""

from dataclasses import dataclass

from torch import Tensor, nn

from spikedistill.errors import InputError, shown
from spikedistill.models.layers import Conv2d, ConvNorm, GlobalMean, Linear, NormAct
from spikedistill.models.model import Model, Network, Shape
from spikedistill.neurons import BatchNorm, Neuron, Normalisation
from spikedistill.values.checks import check_count

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; the activation follows the addition. A shortcut that changes shape is 1x1 and normed."""

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: Neuron, norm: Normalisation) -> None:
        super().__init__()
        self.conv1 = Conv2d(in_channels, channels, 3, reads=neuron, stride=stride, padding=1)
        self.act1 = NormAct(channels, neuron, norm)
        self.conv2 = Conv2d(channels, channels, 3, reads=neuron, padding=1)
        self.act2 = NormAct(channels, neuron, norm)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = ConvNorm(in_channels, channels, 1, reads=neuron, norm=norm, stride=stride)
        self.adds_spikes = neuron.binary and isinstance(self.shortcut, nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, channels, H / stride, W / stride]."""
        current = self.conv2(self.act1(self.conv1(x)))
        y: Tensor = self.act2(current, residual=self.shortcut(x), residual_is_spikes=self.adds_spikes)
        return y


class ResNetwork(Network):
    """Stem, four stages of basic blocks, global average pooling, linear readout with bias (PyTorch's default start)."""

    def __init__(
        self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation, blocks: tuple[int, ...], width: int
    ) -> None:
        super().__init__()
        self.stem = Conv2d(shape[0], width, 3, padding=1)
        self.stem_act = NormAct(width, neuron, norm)
        in_channels = width
        for k, count in enumerate(blocks):
            stage = nn.Sequential()
            for b in range(count):
                stage.append(BasicBlock(in_channels, width * 2**k, 2 if b == 0 and k > 0 else 1, neuron, norm))
                in_channels = width * 2**k
            self.add_module(f"stage{k + 1}", stage)
        self.stages = tuple(f"stage{k}.{count - 1}.act2" for k, count in enumerate(blocks, 1))
        self.mean = GlobalMean()
        self.head = Linear(in_channels, classes)

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`."""
        x = self.stem_act(self.stem(frames), steps=steps)
        for k in range(len(self.stages)):
            x = getattr(self, f"stage{k + 1}")(x)
        logits: Tensor = self.head(self.mean(x))
        return logits


@dataclass(frozen=True)
class ResNet(Model):
    """ResNet-18 or -34 with the CIFAR stem."""

    name = "resnet"

    depth: int = 18
    """18 or 34."""
    width: int = 64
    """Channels of the first stage; doubled in each of the three others."""

    def __post_init__(self) -> None:
        check_count(self, "width", high=2**12)
        if self.depth not in BLOCKS:
            raise InputError(f"depth must be one of {list(BLOCKS)}, not {shown(self.depth)}.")

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`."""
        return ResNetwork(shape, classes, neuron, norm, BLOCKS[self.depth], self.width)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """KDSNN's teachers: 11.17 M parameters; 557.88 M operations on CIFAR-10, 457.72 M on MNIST."""
        return [(cls(18), (3, 32, 32)), (cls(18), (1, 28, 28)), (cls(34), (3, 32, 32))]
