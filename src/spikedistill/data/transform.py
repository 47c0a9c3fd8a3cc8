"""Transformations: values that say what happens to a training image, each a function of (images, draws).

What happens to an image depends on (seed, view, index): not on the batch it is in, its place there, or anything drawn
before. A transformation of one's own is a frozen dataclass below `Transform` with a `__call__`; it draws with a word of
its own (`draws.uniform("my-noise")`).
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int, UInt8
from torch import Tensor

from spikedistill.data.split import Split
from spikedistill.randomness import Draws
from spikedistill.values.plain import digest


@dataclass(frozen=True)
class Transform:
    """Base of all transformations."""

    abstract: ClassVar[bool] = True

    name: ClassVar[str]
    """On the command line; the class name in lower case where there is none."""
    order: ClassVar[int] = 1000
    """Where it usually stands among others, for the command line: it puts one in before those of a greater order."""

    def __call__(self, images: UInt8[Tensor, "B ..."], draws: Draws) -> UInt8[Tensor, "B ..."]:
        """Return the images as this view shows them; `images` stays as it is.

        Args:
            images: [B, C, H, W], or frames [B, T, C, H, W], to all of which the same happens.
            draws: Random numbers, of each sample and view.
        """
        raise NotImplementedError

    def fitted(self, shape: tuple[int, ...], mean: tuple[float, ...]) -> "Transform":  # noqa: ARG002
        """Return the transformation for samples of this shape, with what it takes from the data set filled in.

        Args:
            shape: Of a sample: channels, height, width; before them T, where samples are frames.
            mean: Per channel, of images in [0, 1].

        Raises:
            InputError: it cannot be done to such images.
        """
        return self


def fold_frames(images: UInt8[Tensor, "B ..."]) -> UInt8[Tensor, "B C H W"]:
    """Return frames [B, T, C, H, W] as images of T * C channels; images as they are."""
    return images.flatten(1, -3)


@dataclass(frozen=True)
class Augmented(Split):
    """A split whose views are transformed: view k of sample i is a function of (seed, k, i)."""

    plain: Split
    transforms: tuple[Transform, ...]
    """In the order in which they are applied."""
    seed: int

    def take(self, index: Int[Tensor, " B"], view: int = 0) -> UInt8[Tensor, "B ..."]:
        """See `Split.take`."""
        draws = Draws(self.seed, view, index)
        if not self.transforms:
            return self.plain.take(index, view)
        first, *others = self.transforms
        images = self.plain.take_transformed(first, index, view, draws)
        for transform in others:
            images = transform(images, draws)
        return images

    def digest(self) -> str:
        """SHA-256 in hex of what all views are a function of."""
        return digest([self.plain.digest(), self.transforms, self.seed])
