"""Accuracy of a finished run again: at another number of time steps, on another split."""

from typing import Any

from spikedistill.data.batches import Batches
from spikedistill.data.dataset import MOST
from spikedistill.errors import InputError, shown
from spikedistill.evaluate import norms
from spikedistill.evaluate.accuracy import Accuracy, accuracy
from spikedistill.runs.folder import Run
from spikedistill.runs.opened import Opened, open_to_measure
from spikedistill.training.norms import batches_of


def evaluate_run(
    run: Run,
    steps: int | None = None,
    split: str = "test",
    root: str | None = None,
    device: str = "auto",
    weights: str = "last",
    reestimate: int = 0,
) -> dict[str, Any]:
    """Return accuracies by time step of a run's network, as metrics.json names them.

    Args:
        run: A finished run.
        steps: See `spikedistill.runs.opened.open_to_measure`, and for the next four.
        split: `test`, `validation` or `train` (without augmentation).
        root: Folder of the data's files.
        device: `auto`, `cpu`, `cuda`, ...
        weights: `last` or `best`.
        reestimate: See `accuracy_of`.

    Raises:
        InputError: see `open_to_measure`; or `reestimate` is no number of images.
    """
    _check(reestimate)
    return accuracy_of(open_to_measure(run, steps, split, root, device, weights), reestimate)


def accuracy_of(opened: Opened, reestimate: int = 0) -> dict[str, Any]:
    """Return accuracies by time step, as metrics.json names them.

    Args:
        opened: A run; with `reestimate`, the norms of its network are changed.
        reestimate: Training images, augmented, on which the norms' statistics are estimated anew at this T first; 0 for
            those of the run. Then the result also says what the accuracy was before (`accuracy_before`).

    Raises:
        InputError: `reestimate` is no number of images.
    """
    _check(reestimate)
    recipe, data = opened.run.recipe, opened.data

    def measured() -> Accuracy:
        return accuracy(opened.network, opened.part, data, opened.steps, recipe.precision)

    result = measured()
    anew: dict[str, Any] = {}
    if reestimate:
        augmented = data.augmented(opened.splits.train.to(opened.place), recipe.view_seed)
        batches = Batches(augmented, recipe.batch_size, recipe.seed)
        some = batches_of(recipe, batches, reestimate, recipe.epochs - 1)
        norms.reestimate(opened.network, some, data, opened.steps, recipe.precision)
        anew = {"accuracy_before": result.final, "reestimated": reestimate}
        result = measured()
    return anew | {
        "accuracy": result.final,
        "accuracy_by_step": result.by_step,
        "accuracy_cumulative": result.cumulative,
        **({} if result.top5 is None else {"accuracy_top5": result.top5}),
        "steps": len(result.by_step),
        "split": opened.split,
        "images": len(opened.part),
    }


def _check(reestimate: int) -> None:
    if not 0 <= reestimate <= MOST:
        raise InputError(f"reestimate must be a number of training images, 0 to {MOST}, not {shown(reestimate)}.")
