"""Residual networks with the CIFAR stem (He et al., CVPR 2016; 3x3 stem without pooling, as in public CIFAR code).

ResNet-18 and -34, the family of depth 6n + 2, and ResNet-19 of the SNN literature have the same blocks; they differ in
their number and widths, and in what reads the last one.
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from spikedistill.errors import InputError, shown
from spikedistill.models.layers import Conv2d, ConvNorm, GlobalMean, Linear, NormAct
from spikedistill.models.model import Model, Network, Shape
from spikedistill.neurons import BatchNorm, Neuron, Normalisation
from spikedistill.values.checks import check_count, check_counts

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; the activation follows the addition. A shortcut that changes shape is 1x1 and normed."""

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: Neuron, norm: Normalisation) -> None:
        super().__init__()
        self.conv1 = Conv2d(in_channels, channels, 3, reads=neuron, stride=stride, padding=1)
        self.act1 = NormAct(channels, neuron, norm)
        self.conv2 = Conv2d(channels, channels, 3, reads=neuron, padding=1)
        self.act2 = NormAct(channels, neuron, norm.of_branch())
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = ConvNorm(in_channels, channels, 1, reads=neuron, norm=norm.of_branch(), stride=stride)
        self.adds_spikes = neuron.binary and isinstance(self.shortcut, nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [T, B, channels, H / stride, W / stride]."""
        current = self.conv2(self.act1(self.conv1(x)))
        y: Tensor = self.act2(current, residual=self.shortcut(x), residual_is_spikes=self.adds_spikes)
        return y


class ResNetwork(Network):
    """Stem, stages of basic blocks, global average pooling, hidden synapses, linear readout with bias.

    Linear layers start with PyTorch's default. Hidden synapses have no bias: a norm follows.
    """

    def __init__(
        self,
        shape: Shape,
        classes: int,
        neuron: Neuron,
        norm: Normalisation,
        blocks: tuple[int, ...],
        width: int,
        hidden: tuple[int, ...] = (),
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
        widths = (in_channels, *hidden)
        self.synapses = nn.ModuleList(
            Linear(a, b, bias=False, reads=neuron, summed=k == 0) for k, (a, b) in enumerate(pairwise(widths))
        )
        self.acts = nn.ModuleList(NormAct(channels, neuron, norm) for channels in hidden)
        self.head = Linear(widths[-1], classes, reads=neuron if hidden else None)

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`."""
        x = self.stem_act(self.stem(frames), steps=steps)
        for k in range(len(self.stages)):
            x = getattr(self, f"stage{k + 1}")(x)
        x = self.mean(x)
        for synapse, act in zip(self.synapses, self.acts, strict=True):
            x = act(synapse(x))
        logits: Tensor = self.head(x)
        return logits


@dataclass(frozen=True)
class FourStages(Model):
    """What ResNet-18 and -34 share, whatever their stem and blocks."""

    abstract = True

    depth: int = 18
    """18 or 34."""
    width: int = 64
    """Channels of the first stage; doubled in each of the three others."""

    def __post_init__(self) -> None:
        check_count(self, "width", high=2**12)
        if self.depth not in BLOCKS:
            raise InputError(f"depth must be one of {list(BLOCKS)}, not {shown(self.depth)}.")


@dataclass(frozen=True)
class ResNet(FourStages):
    """ResNet-18 or -34 with the CIFAR stem."""

    name = "resnet"

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`."""
        return ResNetwork(shape, classes, neuron, norm, BLOCKS[self.depth], self.width)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """KDSNN's teachers: 11.17 M parameters; 557.88 M operations on CIFAR-10, 457.72 M on MNIST."""
        return [(cls(18), (3, 32, 32)), (cls(18), (1, 28, 28)), (cls(34), (3, 32, 32))]


@dataclass(frozen=True)
class CifarResNet(Model):
    """ResNet of depth 6n + 2 for CIFAR: three stages of n blocks, `width` channels in the first, doubled twice.

    He et al. (2016), section 4.2, with 1x1 convolutions in the two shortcuts that change shape, where theirs pad with
    zeros: 0.27 M parameters of ResNet-20 either way.
    """

    name = "cifar-resnet"

    depth: int = 20
    """Number of layers, 6n + 2."""
    width: int = 16
    """Channels of the first stage."""

    def __post_init__(self) -> None:
        check_count(self, "depth", low=8, high=1298)
        check_count(self, "width", high=2**12)
        if (self.depth - 2) % 6:
            raise InputError(f"depth must be 8, 14, 20, ... (6n + 2), not {self.depth}.")

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`."""
        return ResNetwork(shape, classes, neuron, norm, ((self.depth - 2) // 6,) * 3, self.width)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """KDSNN's student ResNet-14, and ResNet-20."""
        return [(cls(14), (3, 32, 32)), (cls(20), (3, 32, 32))]


@dataclass(frozen=True)
class ResNet19(Model):
    """ResNet-19 of Zheng et al. (tdBN, AAAI 2021), TSER's student: 3, 3 and 2 blocks at 128, 256 and 512 channels.

    The hidden layer before the readout has 256 neurons. Public code gives it a bias and no norm; here all neurons are
    behind a norm, which has 256 parameters more.
    """

    name = "resnet19"

    width: int = 128
    """Channels of the first stage; doubled in each of the two others."""
    hidden: tuple[int, ...] = (256,)
    """Widths of the fully connected hidden layers."""

    def __post_init__(self) -> None:
        check_count(self, "width", high=2**12)
        check_counts(self, "hidden", most=100, high=2**20)

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`."""
        return ResNetwork(shape, classes, neuron, norm, (3, 3, 2), self.width, self.hidden)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """TSER's, teacher and student, on CIFAR."""
        return [(cls(), (3, 32, 32))]
