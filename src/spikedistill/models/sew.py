"""Spike-element-wise residual networks (Fang et al., NeurIPS 2021) with the ImageNet stem, joined by addition."""

from dataclasses import dataclass

from torch import Tensor, nn

from spikedistill.models.layers import Add, Conv2d, GlobalMean, Linear, MaxPool2d, NormAct
from spikedistill.models.model import Model, Network, Shape
from spikedistill.models.resnet import BLOCKS, FourStages
from spikedistill.neurons import BatchNorm, Neuron, Normalisation


class SEWBlock(nn.Module):
    """Two 3x3 convolutions, each with norm and neurons; the addition follows the neurons, so it adds spikes.

    A shortcut that changes shape is a 1x1 convolution with norm and neurons. In a row of blocks the sums grow by one a
    block: `summed` says that sums enter this one.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int, neuron: Neuron, norm: Normalisation, summed: bool
    ) -> None:
        super().__init__()
        self.conv1 = Conv2d(in_channels, channels, 3, reads=neuron, summed=summed, stride=stride, padding=1)
        self.act1 = NormAct(channels, neuron, norm)
        self.conv2 = Conv2d(channels, channels, 3, reads=neuron, padding=1)
        self.act2 = NormAct(channels, neuron, norm)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                Conv2d(in_channels, channels, 1, reads=neuron, summed=summed, stride=stride),
                NormAct(channels, neuron, norm),
            )
        self.add = Add()

    def forward(self, x: Tensor) -> Tensor:
        """Sums of spikes [T, B, channels, H / stride, W / stride]: 0, 1, 2 or more."""
        spikes = self.act2(self.conv2(self.act1(self.conv1(x))))
        y: Tensor = self.add(spikes, self.shortcut(x))
        return y


class SEWNetwork(Network):
    """7x7 stem of stride 2, 3x3 max pooling of stride 2, four stages of SEW blocks, global mean, linear readout.

    A stage ends in the neurons of its last block, before their spikes are added to the shortcut's; the sum is the
    output of the block's `add`. The readout has a bias and PyTorch's default start.
    """

    def __init__(
        self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation, blocks: tuple[int, ...], width: int
    ) -> None:
        super().__init__()
        self.stem = Conv2d(shape[0], width, 7, stride=2, padding=3)
        self.stem_act = NormAct(width, neuron, norm)
        self.pool = MaxPool2d(3, stride=2, padding=1)
        in_channels, summed = width, False
        for k, count in enumerate(blocks):
            stage = nn.Sequential()
            for b in range(count):
                stage.append(SEWBlock(in_channels, width * 2**k, 2 if b == 0 and k > 0 else 1, neuron, norm, summed))
                in_channels, summed = width * 2**k, True
            self.add_module(f"stage{k + 1}", stage)
        self.stages = tuple(f"stage{k}.{count - 1}.act2" for k, count in enumerate(blocks, 1))
        self.mean = GlobalMean()
        self.head = Linear(in_channels, classes, reads=neuron, summed=True)

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`."""
        x = self.pool(self.stem_act(self.stem(frames), steps=steps))
        for k in range(len(self.stages)):
            x = getattr(self, f"stage{k + 1}")(x)
        logits: Tensor = self.head(self.mean(x))
        return logits


@dataclass(frozen=True)
class SEWResNet(FourStages):
    """SEW-ResNet-18 or -34; as an ANN, TSER's teachers, its blocks add what ReLU gives."""

    name = "sew-resnet"

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`."""
        return SEWNetwork(shape, classes, neuron, norm, BLOCKS[self.depth], self.width)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """TSER's on ImageNet; both have the parameters of the ResNets of their depth, 11.69 M and 21.80 M."""
        return [(cls(34), (3, 224, 224)), (cls(18), (3, 224, 224))]
