"""What every network is: a value that says which architecture, and a module from images to logits per time step."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from spikedistill.neurons import Activation, BatchNorm, Neuron, Normalisation, ReLU

Shape = tuple[int, int, int]
"""Channels, height, width."""


class Network(nn.Module):
    """Base of all networks. The neuron makes it an ANN (ReLU) or an SNN."""

    stages: tuple[str, ...] = ()
    """Dotted paths of the `NormAct` modules that end the stages, for methods that compare activations (see `taps`)."""

    def forward(self, images: Tensor, steps: int | None = None) -> Float[Tensor, "T B K"]:
        """Logits per time step.

        Args:
            images: Static [B, C, H, W], held for `steps` steps, or frames [T, B, C, H, W].
            steps: T for static images, to which an ANN answers with T = 1 whatever it is.
        """
        frames = images.unsqueeze(0) if images.dim() == 4 else images
        return self.logits(frames, steps)

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """Logits [T, B, K] for frames [T, B, C, H, W], T = 1 for a static input that is to be held for `steps`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Model:
    """Base of all architectures."""

    abstract: ClassVar[bool] = True

    name: ClassVar[str]
    """On the command line."""
    uses: ClassVar[frozenset[str]] = frozenset({"neuron", "norm"})
    """The recipe's parts that it is made of. The others it brings itself: they are neither kept nor hashed."""

    def spikes(self, neuron: Neuron) -> bool:
        """Whether its network has the time steps that the recipe says."""
        return neuron.spiking

    def resolve(self, seed: int) -> "Model":  # noqa: ARG002
        """The model with everything said that depends on code of the user's; by default as it is.

        `seed` is the recipe's, by which such code draws.
        """
        return self

    def build(self, shape: Shape, classes: int, neuron: Neuron, norm: Normalisation = BatchNorm()) -> Network:
        """An initialised network for images of this shape (channels, height, width) and this number of classes.

        `neuron` and `norm` are those of all layers.
        """
        raise NotImplementedError

    @classmethod
    def examples(cls) -> list[tuple["Model", Shape]]:
        """Published instances, with the image shape (channels, height, width) that their sizes are given for."""
        raise NotImplementedError


@contextmanager
def as_ann(network: nn.Module) -> Iterator[None]:
    """Context in which a network's neurons are ReLU."""
    acts = [module for module in network.modules() if isinstance(module, Activation)]
    before = [act.neuron for act in acts]
    try:
        for act in acts:
            act.neuron = ReLU()
        yield
    finally:
        for act, neuron in zip(acts, before, strict=True):
            act.neuron = neuron
