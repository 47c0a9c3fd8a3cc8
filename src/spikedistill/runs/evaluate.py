"""Accuracy of a finished run again: at another number of time steps, on another split."""

from dataclasses import replace
from typing import Any

from spikedistill.evaluate.accuracy import accuracy_of_logits
from spikedistill.machine.device import channels_last
from spikedistill.runs.folder import Run
from spikedistill.runs.opened import Opened, open_to_measure


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
        steps: See `spikedistill.runs.opened.open_to_measure`, and for the others.
        split: `test`, `validation` or `train` (without augmentation).
        root: Folder of the data's files.
        device: `auto`, `cpu`, `cuda`, ...
        weights: `last` or `best`.
        reestimate: Training images; 0 for the norms as they are.

    Raises:
        InputError: see `open_to_measure` and `accuracy_of`.
    """
    return accuracy_of(open_to_measure(run, steps, split, root, device, weights, reestimate=reestimate))


def accuracy_of(opened: Opened) -> dict[str, Any]:
    """Return accuracies by time step, as metrics.json names them.

    Where the norms' statistics were estimated anew, the result also says what the accuracy is with the run's own
    (`accuracy_before`).

    Raises:
        InputError: the logits are not finite.
    """
    result = accuracy_of_logits(opened.logits, opened.labels)
    anew: dict[str, Any] = {}
    if opened.reestimated:
        network = channels_last(opened.run.network(opened.weights), opened.place)
        before = replace(opened, network=network, reestimated=0)
        own = accuracy_of_logits(before.logits, before.labels).final
        anew = {"accuracy_before": own, "reestimated": opened.reestimated}
    return anew | {
        "accuracy": result.final,
        "accuracy_by_step": result.by_step,
        "accuracy_cumulative": result.cumulative,
        **({} if result.top5 is None else {"accuracy_top5": result.top5}),
        "steps": len(result.by_step),
        "split": opened.split,
        "images": len(opened.part),
    }
