"""Splits: labelled images that are asked for by number, wherever they are.

A split gives uint8 batches by index and view. Today's tensors in memory are one kind, images that are read when they
are asked for another, augmented ones a third, and a split of one's own any subclass of `Split`: the training loop,
teachers and evaluation know no more of it than this page.

**Frames.** A sample is an image [C, H, W], or T frames [T, C, H, W] of which each time step reads one: `take` gives
[B, C, H, W] or [B, T, C, H, W], and `shape` has three numbers or four. Frames of events are counts; those above 255
are 255. `spikedistill.data.normalise` is the one place where time comes first, as networks want it.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from spikedistill.randomness import Draws


@dataclass(frozen=True)
class Batch:
    """Some samples of a split in one of its views, and what they are."""

    index: Int[Tensor, " B"]
    """Positions in the split."""
    view: int
    """Which view of them: 0 where there is only one."""
    images: UInt8[Tensor, "B ..."]
    """[B, C, H, W], or frames [B, T, C, H, W]."""
    labels: Int[Tensor, " B"]
    """Classes."""


@dataclass(frozen=True)
class Split:
    """Base of all splits: one part of a data set. What follows needs only `labels` and `take`.

    A subclass is a frozen dataclass. Its fields that are tensors or splits move with it.
    """

    labels: Int[Tensor, " N"]
    """Classes, as int64, on the device that `take` answers on."""

    def take(self, index: Int[Tensor, " B"], view: int = 0) -> UInt8[Tensor, "B ..."]:
        """Return the samples with these numbers, uint8 [B, C, H, W] or frames [B, T, C, H, W], in one of their views.

        A sample is a function of its number and of the view: not of the batch it is in, nor of what was asked before.

        Args:
            index: From 0, on the device of `labels`, which is where the samples belong too.
            view: From 0; without meaning where a sample always looks the same.
        """
        raise NotImplementedError

    def take_transformed(
        self, transform: Callable[[Tensor, Draws], Tensor], index: Int[Tensor, " B"], view: int, draws: Draws
    ) -> UInt8[Tensor, "B ..."]:
        """Return the samples with a transformation, the first of those that a view is made of.

        Here it is applied to what `take` returns. A split whose samples were made smaller or cut (pictures in files)
        may apply one that it knows to what they were before; `take` never sees that again.

        Args:
            transform: A `spikedistill.data.transform.Transform`.
            index: See `take`.
            view: See `take`.
            draws: The random numbers of the transformation, of the numbers that the samples have for whoever asks.
        """
        return transform(self.take(index, view), draws)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Int[Tensor, " M"]) -> "Split":
        """Return the part with these numbers; it counts them from 0 anew."""
        return Selected(self.labels[index], self, index)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a sample: (C, H, W), or (T, C, H, W) for frames."""
        return tuple(self.first(1).shape[1:])

    def first(self, number: int) -> UInt8[Tensor, "B ..."]:
        """Return the first samples, for whoever wants to see what they are like."""
        return self.take(torch.arange(number, device=self.labels.device))

    def in_order(self, size: int | None = None, view: int = 0) -> Iterator[Batch]:
        """Yield all samples from the first to the last, in batches of `size`; of some megabytes if it is None."""
        for index in torch.arange(len(self), device=self.labels.device).split(size or self._some()):
            yield Batch(index, view, self.take(index, view), self.labels[index])

    def _some(self) -> int:
        """Samples of 4 MiB together."""
        return max(1, 2**22 // max(1, math.prod(self.shape))) if len(self) else 1

    def digest(self) -> str:
        """SHA-256 in hex of labels, shape and all samples of view 0: equal for equal content, whatever the kind.

        A kind whose samples also depend on other things says them here too.
        """
        result = hashlib.sha256(f"{len(self)} {self.shape if len(self) else ()};".encode())
        result.update(self.labels.cpu().contiguous().numpy().data)
        for batch in self.in_order():
            result.update(batch.images.cpu().contiguous().numpy().data)
        return result.hexdigest()

    def to(self, device: torch.device | str) -> "Split":
        """Return the split with all of its tensors on a device."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {k: v.to(device) for k, v in held.items() if isinstance(v, Tensor | Split)}
        return replace(self, **moved)


@dataclass(frozen=True, init=False)
class TensorSplit(Split):
    """Samples in one tensor: [N, C, H, W], or frames [N, T, C, H, W]."""

    images: UInt8[Tensor, "N ..."]

    def __init__(self, images: UInt8[Tensor, "N ..."], labels: Int[Tensor, " N"]) -> None:
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "labels", labels)

    def take(self, index: Int[Tensor, " B"], view: int = 0) -> UInt8[Tensor, "B ..."]:  # noqa: ARG002
        """See `Split.take`; all views are the same."""
        return self.images[index]

    def __getitem__(self, index: Int[Tensor, " M"]) -> "TensorSplit":
        """See `Split.__getitem__`; the other samples can be forgotten."""
        return TensorSplit(self.images[index], self.labels[index])

    def in_order(self, size: int | None = None, view: int = 0) -> Iterator[Batch]:
        """See `Split.in_order`; nothing is copied."""
        size = size or self._some()
        index = torch.arange(len(self), device=self.labels.device)
        parts = (index.split(size), self.images.split(size), self.labels.split(size))
        for numbers, images, labels in zip(*parts, strict=True):
            yield Batch(numbers, view, images, labels)


@dataclass(frozen=True)
class Selected(Split):
    """Part of another split, which stays where it is."""

    whole: Split
    index: Int[Tensor, " N"]
    """Which of its samples."""

    def take(self, index: Int[Tensor, " B"], view: int = 0) -> UInt8[Tensor, "B ..."]:
        """See `Split.take`."""
        return self.whole.take(self.index[index], view)

    def take_transformed(
        self, transform: Callable[[Tensor, Draws], Tensor], index: Int[Tensor, " B"], view: int, draws: Draws
    ) -> UInt8[Tensor, "B ..."]:
        """See `Split.take_transformed`."""
        return self.whole.take_transformed(transform, self.index[index], view, draws)


@dataclass(frozen=True)
class Splits:
    """The parts of a loaded data set."""

    train: Split
    validation: Split | None
    """Held out from the published training set; None where the data set asks for none."""
    test: Split

    def to(self, device: torch.device | str) -> "Splits":
        """Return the splits on a device."""
        return Splits(self.train.to(device), self.validation and self.validation.to(device), self.test.to(device))
