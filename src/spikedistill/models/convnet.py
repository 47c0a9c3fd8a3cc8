"""Plain convolutional networks: KDSNN's MNIST network (Xu et al., CVPR 2023, section 4.1), siblings, and 5Conv-1FC.

5Conv-1FC is the network that Xu et al. (reverse KD, 2024) train on DVS-Gesture with reference to Fang et al. (PLIF,
ICCV 2021): five blocks of 128 channels and one linear layer, `ConvNet((128,) * 5, ())` with PLIF neurons. Fang et al.
have two linear layers, dropout of 1/2 before each, and 10 neurons for each class whose spikes are averaged (voting).
The paper does not say what is left of that with one. By default neither; `ConvNet((128,) * 5, (), 0.5, 10)` has both,
and with `hidden=(512,)` it is Fang et al.'s network, but for a norm in the hidden layer.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.models.layers import Conv2d, Dropout, Flatten, Linear, MaxPool2d, NormAct, Vote
from spikedistill.models.model import Model, Network, Shape
from spikedistill.neurons import BatchNorm, Neuron, Normalisation
from spikedistill.values.checks import check_at_least, check_below, check_count, check_counts


class ConvNetwork(Network):
    """Blocks of 3x3 convolution (padding 1), norm, neuron and 2x2 max pooling; hidden synapses; a readout.

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
        dropout: float,
        voters: int,
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
        widths = (features, *hidden)
        dropped = dropout > 0.0
        self.dropouts = nn.ModuleList(
            Dropout(dropout, f"dropout {k}") if dropped else nn.Identity() for k in range(len(widths))
        )
        self.synapses = nn.ModuleList(
            Linear(a, b, bias=False, reads=neuron, summed=dropped) for a, b in pairwise(widths)
        )
        self.acts = nn.ModuleList(NormAct(width, neuron, norm) for width in hidden)
        self.head = Linear(widths[-1], classes * max(voters, 1), bias=False, reads=neuron, summed=dropped)
        self.votes = nn.Sequential(neuron.build(), Vote(voters)) if voters else nn.Identity()
        self.stages = tuple(f"conv_acts.{k}" for k in range(len(channels)))

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`."""
        x = frames
        for k, (conv, act) in enumerate(zip(self.convs, self.conv_acts, strict=True)):
            x = self.pool(act(conv(x), steps=steps if k == 0 else None))
        x = self.flatten(x)
        for dropout, synapse, act in zip(self.dropouts, self.synapses, self.acts, strict=False):
            x = act(synapse(dropout(x)))
        logits: Tensor = self.votes(self.head(self.dropouts[-1](x)))
        return logits


@dataclass(frozen=True)
class ConvNet(Model):
    """Convolutions with pooling, then hidden synapses; the default is 28x28-128C3-P2-128C3-P2-1152FC-10FC."""

    name = "convnet"

    channels: tuple[int, ...] = (128, 128)
    """Output channels of the convolutions; each halves height and width."""
    hidden: tuple[int, ...] = (1152,)
    """Widths of the fully connected hidden layers."""
    dropout: float = field(default=0.0, metadata={"added": True})
    """Probability of a zero before each fully connected layer, the readout too, in [0, 1)."""
    voters: int = field(default=0, metadata={"added": True})
    """Neurons for each class whose mean output is the logit; 0 for a linear readout."""

    def __post_init__(self) -> None:
        check_counts(self, "channels", fewest=1, most=16, high=2**16)
        check_counts(self, "hidden", most=100, high=2**20)
        check_at_least(self, "dropout")
        check_below(self, "dropout", bound=1.0)
        check_count(self, "voters", low=0, high=1000)

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """See `Model.build`. Raises InputError where the images are too small to be halved so often."""
        if min(shape[1:]) < 2 ** len(self.channels):
            raise InputError(
                f"Images of {shape[1]}x{shape[2]} cannot be halved {len(self.channels)} times; take fewer channels."
            )
        return ConvNetwork(
            shape, classes, neuron, norm, self.channels, self.hidden, dropout=self.dropout, voters=self.voters
        )

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """KDSNN's 2conv, 7.39 M parameters; reverse KD's 5Conv-1FC for DVS-Gesture; the sibling for 8x8 digits."""
        gesture = cls(channels=(128,) * 5, hidden=())
        return [(cls(), (1, 28, 28)), (gesture, (2, 128, 128)), (cls((16, 16), (64,)), (1, 8, 8))]
