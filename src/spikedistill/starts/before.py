"""What there is before the first step, for a start that looks at it."""

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from spikedistill.data.batches import Batches
from spikedistill.data.normalise import normalise
from spikedistill.randomness import permutation
from spikedistill.recipe import Recipe


@dataclass(frozen=True)
class Before:
    """The recipe, resolved, and the training images, augmented. Random images stand for them in a rehearsal."""

    recipe: Recipe
    batches: Batches

    def images(self, count: int) -> Iterator[Float[Tensor, "..."]]:
        """Yield `count` images, or all where there are fewer, normalised, in batches of the recipe's size.

        They are drawn from all, in their first view, and are the same for all seeds and batch sizes: what a twin's
        start was made from is what its student's is.
        """
        data, split = self.recipe.data, self.batches.split
        some = permutation(len(split), 0, 0)[:count].to(split.labels.device)
        for index in some.split(self.batches.batch_size):
            yield normalise(split.take(index, self.recipe.view(0)), data.mean, data.std)
