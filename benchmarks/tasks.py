"""What is measured: tasks as values. Nothing here imports torch, so that the parent process stays light.

Every task knows a tiny copy of itself, `quick`, for smoke runs.
"""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Net:
    """An architecture that every contender builds with its own layers."""

    kind: str
    """`convnet`, `wrn`, `resnet` or `mlp`."""
    shape: tuple[int, int, int]
    """Channels, height and width of an image."""
    sizes: tuple[tuple[str, Any], ...]
    """The architecture's own options."""
    tiny: tuple[tuple[str, Any], ...]
    """The same for smoke runs."""
    classes: int = 10

    @property
    def options(self) -> dict[str, Any]:
        """`sizes` as keyword arguments."""
        return dict(self.sizes)

    def quick(self) -> "Net":
        """A network of some thousand parameters for images of 8x8."""
        return replace(self, sizes=self.tiny, shape=(self.shape[0], 8, 8))


@dataclass(frozen=True)
class Task:
    """Base of all tasks."""

    batch: int
    steps: int
    """T."""

    @property
    def items(self) -> int:
        """What one step works through, in `unit`s."""
        return self.batch

    @property
    def unit(self) -> str:
        """Of `items`."""
        return "images"

    def quick(self) -> "Task":
        """The same with two images and two steps."""
        return replace(self, batch=2, steps=2)


@dataclass(frozen=True)
class NetworkTask(Task):
    """Base of the tasks on a whole network."""

    net: Net

    def quick(self) -> "Task":
        """The same on a tiny network."""
        return replace(self, batch=2, steps=2, net=self.net.quick())


@dataclass(frozen=True)
class Training(NetworkTask):
    """One step: forward, cross-entropy of the mean of the logits over time, backward, SGD with momentum."""


@dataclass(frozen=True)
class Inference(NetworkTask):
    """Logits of a batch, in eval mode and without gradient."""


@dataclass(frozen=True)
class Distillation(NetworkTask):
    """`Training` with the loss of a teacher (vanilla KD) beside the labels'; the contenders differ in where from."""

    teacher: Net

    def quick(self) -> "Task":
        """The same with tiny networks."""
        return replace(self, batch=2, steps=2, net=self.net.quick(), teacher=self.teacher.quick())


@dataclass(frozen=True)
class Pipeline(NetworkTask):
    """Batches of augmented images from `images` random ones, with or without a training step on each."""

    images: int = 10_000

    def quick(self) -> "Task":
        """The same with eight images."""
        return replace(self, batch=2, steps=2, net=self.net.quick(), images=8)


@dataclass(frozen=True)
class Layer(Task):
    """Forward and backward of one layer of neurons on currents [T, B, C, H, W]."""

    shape: tuple[int, int, int]
    """Channels, height, width."""

    @property
    def items(self) -> int:
        """Neurons times steps."""
        channels, height, width = self.shape
        return self.batch * self.steps * channels * height * width

    @property
    def unit(self) -> str:
        """Of `items`."""
        return "neuron-steps"

    def quick(self) -> "Task":
        """The same on [2, 2, 4, 4, 4]."""
        return replace(self, batch=2, steps=2, shape=(4, 4, 4))


@dataclass(frozen=True)
class NeuronLayer(Layer):
    """The neurons alone."""


@dataclass(frozen=True)
class NormNeuronLayer(Layer):
    """Batch norm, then neurons."""


@dataclass(frozen=True)
class RecipeStep(Task):
    """A step of the training that a recipe of the library describes, its images' augmentation with it.

    Where T is drawn, a step at each T: `items` counts all of them.
    """

    recipe: str
    """Its name."""
    share: float = 0.0
    """How much of the training is done: which phase it is in."""
    drawn: int = 1
    """How many T there are to draw from."""

    @property
    def items(self) -> int:
        """Images of all its steps."""
        return self.batch * self.drawn

    def quick(self) -> "Task":
        """The same with two images."""
        return replace(self, batch=2)
