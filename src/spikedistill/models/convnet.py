"""Plain convolutional networks: KDSNN's MNIST network (Xu et al., CVPR 2023, section 4.1), siblings, and 5Conv-1FC.

5Conv-1FC is the network that Xu et al. (reverse KD, 2024) train on DVS-Gesture with reference to Fang et al. (PLIF,
ICCV 2021): five blocks of 128 channels and one linear layer, `ConvNet((128,) * 5, ())` with PLIF neurons. Fang et al.
have two linear layers, dropout before each and voting after them; the paper does not say what is left of that with one.
Here there is no dropout.
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.models.layers import Conv2d, Flatten, Linear, MaxPool2d, NormAct
from spikedistill.models.model import Model, Network, Shape
from spikedistill.neurons import BatchNorm, Neuron, Normalisation
from spikedistill.values.checks import check_counts


class ConvNetwork(Network):
    """Blocks of 3x3 convolution (padding 1), norm, neuron and 2x2 max pooling; hidden synapses; a linear readout.

    No biases anywhere, which the published number of parameters shows. Convolutions start as `layers.Conv2d` says,
    linear layers with PyTorch's default.
    """

    def __init__(
        self,
        shape: Shape,
        classes: int,
        neuron: Neuron,
        norm: Normalisation,
        channels: tuple[int, ...],
        hidden: tuple[int, ...],
    ) -> None:
        super().__init__()
        in_channels, height, width = shape
        self.convs = nn.ModuleList(
            Conv2d(a, b, 3, reads=neuron if k else None, padding=1)
            for k, (a, b) in enumerate(pairwise((in_channels, *channels)))
        )
        self.conv_acts = nn.ModuleList(NormAct(c, neuron, norm) for c in channels)
        self.pool = MaxPool2d(2)
        self.flatten = Flatten()
        shrink = 2 ** len(channels)
        features = channels[-1] * (height // shrink) * (width // shrink)
        self.synapses = nn.ModuleList(Linear(a, b, bias=False, reads=neuron) for a, b in pairwise((features, *hidden)))
        self.acts = nn.ModuleList(NormAct(width, neuron, norm) for width in hidden)
        self.head = Linear((features, *hidden)[-1], classes, bias=False, reads=neuron)
        self.stages = tuple(f"conv_acts.{k}" for k in range(len(channels)))

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`."""
        x = frames
        for k, (conv, act) in enumerate(zip(self.convs, self.conv_acts, strict=True)):
            x = self.pool(act(conv(x), steps=steps if k == 0 else None))
        x = self.flatten(x)
        for synapse, act in zip(self.synapses, self.acts, strict=True):
            x = act(synapse(x))
        logits: Tensor = self.head(x)
        return logits


@dataclass(frozen=True)
class ConvNet(Model):
    """Convolutions with pooling, then hidden synapses; the default is 28x28-128C3-P2-128C3-P2-1152FC-10FC."""

    name = "convnet"

    channels: tuple[int, ...] = (128, 128)
    """Output channels of the convolutions; each halves height and width."""
    hidden: tuple[int, ...] = (1152,)
    """Widths of the fully connected hidden layers."""

    def __post_init__(self) -> None:
        check_counts(self, "channels", fewest=1, most=16, high=2**16)
        check_counts(self, "hidden", most=100, high=2**20)

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`. Raises InputError where the images are too small to be halved so often."""
        if min(shape[1:]) < 2 ** len(self.channels):
            raise InputError(
                f"Images of {shape[1]}x{shape[2]} cannot be halved {len(self.channels)} times; take fewer channels."
            )
        return ConvNetwork(shape, classes, neuron, norm, self.channels, self.hidden)

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """KDSNN's 2conv, 7.39 M parameters; reverse KD's 5Conv-1FC for DVS-Gesture; the sibling for 8x8 digits."""
        gesture = cls(channels=(128,) * 5, hidden=())
        return [(cls(), (1, 28, 28)), (gesture, (2, 128, 128)), (cls((16, 16), (64,)), (1, 8, 8))]
