"""What there is before the first step, for a start that looks at it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from jaxtyping import Float
from torch import Tensor

from spikedistill.data.batches import Batches
from spikedistill.data.normalise import normalise
from spikedistill.recipe import Recipe


@dataclass(frozen=True)
class Before:
    """The recipe, resolved, and the training images, augmented. Random images stand for them in a rehearsal."""

    recipe: Recipe
    batches: Batches

    def images(self, count: int) -> Iterator[Float[Tensor, "..."]]:
        """Yield the first `count` images of the first epoch, normalised, in batches of the recipe's size.

        The number is rounded up to whole batches, and down to the images that there are.
        """
        size, data = self.batches.batch_size, self.recipe.data
        batches = self.batches.epoch(0, view=self.recipe.view(0))
        for batch in islice(batches, -(-count // size)):
            yield normalise(batch.images, data.mean, data.std)
