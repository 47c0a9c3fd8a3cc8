"""The plan of a training: where its epochs and phases begin and end, a pure function of the recipe."""

from dataclasses import dataclass, replace

import torch

from spikedistill.errors import InputError
from spikedistill.optim.phases import Settings
from spikedistill.randomness import Stream, integers
from spikedistill.recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """Images are counted, not steps, because a phase may change the batch size, in mid-epoch too.

    An epoch has as many images as batches of the recipe's own size fill. It ends where a whole batch of the phase is
    not left.

    Raises:
        InputError: a batch is larger than an epoch.
    """

    recipe: Recipe
    train_images: int
    """In the training set."""

    def __post_init__(self) -> None:
        largest, there = max(self.batch_sizes), self.images or self.train_images
        if largest > there:
            raise InputError(f"batch_size {largest} is more than the {there} training images. Take a smaller one.")

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The recipe's, and those of its phases."""
        return (self.recipe.batch_size, *(phase.batch_size for phase in self.recipe.phases if phase.batch_size))

    @property
    def images(self) -> int:
        """In an epoch."""
        return self.train_images // self.recipe.batch_size * self.recipe.batch_size

    def epochs(self, epoch: int, seen: int) -> float:
        """Return how many epochs are done, with fractions, when `seen` images of epoch number `epoch` are."""
        return epoch + seen / self.images

    def progress(self, epoch: int, seen: int) -> float:
        """Return the share of the training that is done there, in [0, 1) for a step that begins there."""
        return self.epochs(epoch, seen) / self.recipe.epochs

    def settings(self, epoch: int, seen: int) -> Settings:
        """Return what holds for a step that begins there; a T that is drawn is a function of (seed, epoch, seen)."""
        settings = self.recipe.settings(self.progress(epoch, seen))
        least = settings.fewest_steps
        if least is None:
            return settings
        place = torch.tensor([seen])
        more = integers(settings.steps - least + 1, self.recipe.seed, epoch, place, Stream.STEPS)
        return replace(settings, steps=least + int(more.item()))

    def step(self, epoch: int, seen: int) -> Settings | None:
        """Return what holds for the step that begins there; None where the epoch ends."""
        if seen >= self.images:
            return None
        settings = self.settings(epoch, seen)
        return settings if seen + settings.batch_size <= self.images else None

    def rate(self, epoch: int, seen: int) -> float:
        """Return the learning rate of a step that begins there."""
        factor = self.recipe.schedule.factor(self.epochs(epoch, seen), self.recipe.epochs)
        return self.recipe.optimizer.learning_rate * factor * self.settings(epoch, seen).rate

    def steps(self, epoch: int, seen: int = 0) -> int:
        """Return how many steps begin before that."""
        if not self.recipe.phases:
            return (epoch * self.images + seen) // self.recipe.batch_size
        return sum(self._steps(number, self.images) for number in range(epoch)) + self._steps(epoch, seen)

    def _steps(self, epoch: int, end: int) -> int:
        """Steps of one epoch that begin before `end` images of it are seen."""
        seen = count = 0
        while seen < end and (settings := self.step(epoch, seen)) is not None:
            seen += settings.batch_size
            count += 1
        return count
