"""Evaluate a finished run again: at another number of time steps, on another split."""

from dataclasses import replace
from typing import Any

from spikedistill.data.batches import Batches
from spikedistill.data.dataset import MOST, Dataset
from spikedistill.data.split import Splits
from spikedistill.errors import InputError, nearest, shown
from spikedistill.evaluate import norms
from spikedistill.evaluate.accuracy import accuracy
from spikedistill.machine.allocator import keep_freed_memory
from spikedistill.machine.device import channels_last, pick_device
from spikedistill.models import Network
from spikedistill.recipe import MOST_STEPS
from spikedistill.runs.train import Run
from spikedistill.training.norms import batches_of

SPLITS = ("test", "validation", "train")


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
        steps: T, which may differ from the one it was trained with; the recipe's own if None.
        split: `test`, `validation` or `train` (without augmentation).
        root: Folder of the data's files; the recipe's own if None.
        device: `auto`, `cpu`, `cuda`, ...
        weights: `last`, or `best` on the validation split.
        reestimate: Training images, augmented, on which the norms' statistics are estimated anew at this T first; 0 for
            those of the run. Then the result also says what the accuracy was before (`accuracy_before`).

    Raises:
        InputError: `steps` or `reestimate` is no number of them, the run is not finished, its files are damaged, or it
            has no such split or weights.
    """
    if not 0 <= reestimate <= MOST:
        raise InputError(f"reestimate must be a number of training images, 0 to {MOST}, not {shown(reestimate)}.")
    network, data, splits, asked = ready(run, steps, split, root, device, weights)
    recipe, place, part = run.recipe, pick_device(device), getattr(splits, split)
    result = accuracy(network, part.to(place), data, asked, recipe.precision)
    anew: dict[str, Any] = {}
    if reestimate:
        augmented = data.augmented(splits.train.to(place), recipe.view_seed)
        batches = Batches(augmented, recipe.batch_size, recipe.seed)
        some = batches_of(recipe, batches, reestimate, recipe.epochs - 1)
        norms.reestimate(network, some, data, asked, recipe.precision)
        anew = {"accuracy_before": result.final, "reestimated": reestimate}
        result = accuracy(network, part.to(place), data, asked, recipe.precision)
    return anew | {
        "accuracy": result.final,
        "accuracy_by_step": result.by_step,
        "accuracy_cumulative": result.cumulative,
        **({} if result.top5 is None else {"accuracy_top5": result.top5}),
        "steps": len(result.by_step),
        "split": split,
        "images": len(part),
    }


def ready(
    run: Run,
    steps: int | None = None,
    split: str = "test",
    root: str | None = None,
    device: str = "auto",
    weights: str = "last",
) -> tuple[Network, Dataset, Splits, int]:
    """Return the network of a run on a device, its data with all splits, and T.

    Arguments and what it raises: see `evaluate_run`.
    """
    check_steps(steps)
    if split not in SPLITS:
        raise InputError(f"Unknown split {split!r}.{nearest(split, SPLITS)} Allowed: {', '.join(SPLITS)}.")
    keep_freed_memory()
    place = pick_device(device)
    recipe = run.recipe
    if steps is not None and recipe.data.steps not in (None, steps):
        raise InputError(
            f"steps is {steps}, and the data of {run.folder} are frames of {recipe.data.steps} steps. Leave steps out."
        )
    network = channels_last(run.network(weights), place)
    data = recipe.data if root is None else replace(recipe.data, root=root)
    splits = data.load()
    if getattr(splits, split) is None:
        raise InputError(f"The run {run.folder} holds out no validation split. Allowed: test, train.")
    return network, data, splits, steps or recipe.steps


def check_steps(steps: int | None) -> None:
    """Raise InputError where a number of time steps is none, or absurd."""
    if steps is not None and not 1 <= steps <= MOST_STEPS:
        bound = "1 or more" if steps < 1 else f"at most {MOST_STEPS}"
        raise InputError(f"steps must be {bound}, not {shown(steps)}.")
