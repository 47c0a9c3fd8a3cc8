"""What is evaluated and kept: the student or its average, with norm statistics of the recipe's T if it asks for that.

In training a norm reads its batch's own statistics, so that nothing is estimated where one phase ends and the next
begins: the running ones decide what is evaluated and kept, and nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from torch import nn

from spikedistill.data.batches import Batches
from spikedistill.data.split import Batch
from spikedistill.evaluate.norms import reestimated
from spikedistill.recipe import Recipe
from spikedistill.training.state import TrainingState
from spikedistill.training.task import Task


def batches_of(recipe: Recipe, batches: Batches, images: int, epoch: int) -> Iterator[Batch]:
    """Yield the first batches of an epoch that have `images` images together, rounded up to whole batches."""
    return islice(batches.epoch(epoch, view=recipe.view(epoch)), -(-images // recipe.batch_size))


@contextmanager
def as_evaluated(task: Task, state: TrainingState) -> Iterator[nn.Module]:
    """Context with the network whose accuracy counts and whose weights are kept, as it is evaluated.

    Norm statistics are estimated anew where the recipe says so, on images of the epoch that has just been trained, a
    function of the recipe and the state; afterwards they are what they were.
    """
    recipe = task.recipe
    if not recipe.reestimate:
        yield state.evaluated
        return
    epoch = min(state.epoch, recipe.epochs - 1)
    batches = batches_of(recipe, task.batches, recipe.reestimate, epoch)
    with reestimated(state.evaluated, batches, recipe.data, recipe.steps, recipe.precision):
        yield state.evaluated
