"""VGG (Simonyan and Zisserman, ICLR 2015) for small images: a norm after each convolution, few hidden neurons."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from spikedistill.errors import InputError, shown
from spikedistill.models.layers import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, NormAct
from spikedistill.models.model import Model, Network, Shape
from spikedistill.neurons import BatchNorm, Neuron, Normalisation
from spikedistill.values.checks import check_choice, check_count, check_counts

CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 16: (2, 2, 3, 3, 3)}
FACTORS = (1, 2, 4, 8, 8)
POOLS = {"avg": AvgPool2d, "max": MaxPool2d}


class VGGNetwork(Network):
    """Five stages of 3x3 convolutions, norms and neurons, each with a 2x2 pool after it; hidden synapses; a readout.

    A pool that would leave no pixel is left out. Convolutions and hidden synapses have no bias, as a norm follows; the
    readout has one. Convolutions start as `layers.Conv2d` says, linear layers with PyTorch's default.
    """

    def __init__(
        self,
        shape: Shape,
        classes: int,
        neuron: Neuron,
        norm: Normalisation,
        convolutions: tuple[int, ...],
        pool: Literal["max", "avg"],
        hidden: tuple[int, ...],
        width: int,
    ) -> None:
        super().__init__()
        in_channels, height, columns = shape
        means = False
        self.features = nn.Sequential()
        stages = []
        for count, factor in zip(convolutions, FACTORS, strict=True):
            for _ in range(count):
                reads = neuron if self.features else None
                self.features.append(Conv2d(in_channels, width * factor, 3, reads=reads, summed=means, padding=1))
                self.features.append(NormAct(width * factor, neuron, norm))
                in_channels, means = width * factor, False
            stages.append(f"features.{len(self.features) - 1}")
            if min(height, columns) >= 2:
                self.features.append(POOLS[pool](2))
                height, columns, means = height // 2, columns // 2, pool == "avg"
        self.stages = tuple(stages)
        self.flatten = Flatten()
        widths = (in_channels * height * columns, *hidden)
        self.synapses = nn.ModuleList(
            Linear(a, b, bias=False, reads=neuron, summed=means and k == 0) for k, (a, b) in enumerate(pairwise(widths))
        )
        self.acts = nn.ModuleList(NormAct(channels, neuron, norm) for channels in hidden)
        self.head = Linear(widths[-1], classes, reads=neuron, summed=means and not hidden)

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`."""
        conv, act, *others = self.features
        x = act(conv(frames), steps=steps)
        for layer in others:
            x = layer(x)
        x = self.flatten(x)
        for synapse, act in zip(self.synapses, self.acts, strict=True):
            x = act(synapse(x))
        logits: Tensor = self.head(x)
        return logits


@dataclass(frozen=True)
class VGG(Model):
    """VGG-11 or -16.

    A pool that averages hands sums of spikes to the convolution after it; one that takes the maximum hands it spikes.
    """

    name = "vgg"

    depth: int = 11
    """11 or 16, with the three fully connected layers of the original."""
    pool: Literal["max", "avg"] = "max"
    """What the 2x2 pools take: the maximum, or the mean."""
    hidden: tuple[int, ...] = (512, 512)
    """Widths of the fully connected hidden layers; none leaves one linear layer after the convolutions."""
    width: int = 64
    """Channels of the first stage; those of the others are 2, 4, 8 and 8 times as many."""

    def __post_init__(self) -> None:
        check_choice(self, "pool", tuple(POOLS))
        check_counts(self, "hidden", most=100, high=2**20)
        check_count(self, "width", high=2**12)
        if self.depth not in CONVOLUTIONS:
            raise InputError(f"depth must be one of {list(CONVOLUTIONS)}, not {shown(self.depth)}.")

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`."""
        convolutions = CONVOLUTIONS[self.depth]
        return VGGNetwork(shape, classes, neuron, norm, convolutions, self.pool, self.hidden, self.width)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """KDSNN's VGG11, 9.75 M parameters, and TSER's VGG16 and VGG11, whose operations need pools that average."""
        return [(cls(), (3, 32, 32)), (cls(16, "avg", ()), (3, 32, 32)), (cls(11, "avg", ()), (3, 32, 32))]
