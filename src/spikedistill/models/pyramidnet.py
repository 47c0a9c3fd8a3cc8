"""Pyramidal residual networks (Han et al., CVPR 2017) of bottlenecks: channels grow with every block."""

from dataclasses import dataclass

from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.models.layers import Add, AvgPool2d, Conv2d, ConvNorm, GlobalMean, Linear, NormAct, PadChannels
from spikedistill.models.model import Model, Network, Shape
from spikedistill.neurons import BatchNorm, Neuron, Normalisation
from spikedistill.values.checks import check_count, check_counts

EXPANSION = 4


class PyramidBlock(nn.Module):
    """Norm, 1x1, norm, activation, 3x3, norm, activation, 1x1, norm: no activation comes first, and none last.

    The shortcut has no parameters: a 2x2 mean where the block halves the image, and zeros for the new channels.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: Neuron, norm: Normalisation) -> None:
        super().__init__()
        self.norm = norm.build(in_channels)
        self.conv1 = Conv2d(in_channels, channels, 1)
        self.act1 = NormAct(channels, neuron, norm)
        self.conv2 = Conv2d(channels, channels, 3, reads=neuron, stride=stride, padding=1)
        self.act2 = NormAct(channels, neuron, norm)
        self.conv3 = ConvNorm(channels, EXPANSION * channels, 1, reads=neuron, norm=norm)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut.append(AvgPool2d(stride))
        self.shortcut.append(PadChannels(EXPANSION * channels))
        self.add = Add()

    def forward(self, x: Tensor, steps: int | None = None) -> Tensor:
        """Currents [T, B, 4 * channels, H / stride, W / stride]; `steps` where x is static and to be held."""
        spikes = self.act1(self.conv1(self.norm(x)), steps=steps)
        y: Tensor = self.add(self.conv3(self.act2(self.conv2(spikes))), self.shortcut(x))
        return y


class PyramidNetwork(Network):
    """Stem with norm, stages of bottlenecks, norm, activation, global average pooling, linear readout with bias.

    The last activation of a stage is that before its last convolution, but for the last stage, which the network's last
    activation ends: `stages` are these.
    """

    def __init__(
        self,
        shape: Shape,
        classes: int,
        neuron: Neuron,
        norm: Normalisation,
        blocks: tuple[int, ...],
        stem: int,
        widen: int,
    ) -> None:
        super().__init__()
        self.stem = Conv2d(shape[0], stem, 3, padding=1)
        self.stem_norm = norm.build(stem)
        self.blocks = nn.ModuleList()
        in_channels, ends = stem, []
        for k, count in enumerate(blocks):
            for b in range(count):
                channels = round(stem + (len(self.blocks) + 1) * widen / sum(blocks))
                stride = 2 if b == 0 and k > 0 else 1
                self.blocks.append(PyramidBlock(in_channels, channels, stride, neuron, norm))
                in_channels = EXPANSION * channels
            ends.append(len(self.blocks) - 1)
        self.act = NormAct(in_channels, neuron, norm)
        self.stages = (*(f"blocks.{k}.act2" for k in ends[:-1]), "act")
        self.mean = GlobalMean()
        self.head = Linear(in_channels, classes, reads=neuron, summed=True)

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`."""
        x = self.stem_norm(self.stem(frames))
        for block in self.blocks:
            x = block(x, steps)
        logits: Tensor = self.head(self.mean(self.act(x)))
        return logits


@dataclass(frozen=True)
class PyramidNet(Model):
    """PyramidNet of bottlenecks for CIFAR; the default is KDSNN's teacher "Pyramidnet18".

    The paper does not say what that is. Of the public forms this one meets its sizes best: 1.56 M parameters, and
    368.97 M operations where the paper has 368.74 M. Its blocks have 18 convolutions, in Han et al.'s own count it is
    of depth 20. Built with a spiking neuron, each block's first convolution reads normed sums of currents, no spikes:
    KDSNN has it as an ANN alone.
    """

    name = "pyramidnet"

    blocks: tuple[int, ...] = (2, 2, 2)
    """Bottlenecks of each stage."""
    stem: int = 28
    """Channels of the stem."""
    widen: int = 154
    """What all blocks together add to the channels of a bottleneck, in equal parts, rounded to whole channels."""

    def __post_init__(self) -> None:
        check_counts(self, "blocks", fewest=1, most=8, high=2**8)
        check_count(self, "stem", high=2**12)
        check_count(self, "widen", high=2**12)

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`. Raises InputError where height or width cannot be halved as often as there are stages."""
        multiple = 2 ** (len(self.blocks) - 1)
        if shape[1] % multiple or shape[2] % multiple:
            raise InputError(
                f"Images of {shape[1]}x{shape[2]} cannot be halved {len(self.blocks) - 1} times; PyramidNet needs "
                f"multiples of {multiple}."
            )
        return PyramidNetwork(shape, classes, neuron, norm, self.blocks, self.stem, self.widen)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """KDSNN's teacher, 1.56 M parameters."""
        return [(cls(), (3, 32, 32))]
