"""Spikes, operations and energy of a finished run, its teacher's beside them."""

from typing import Any

from torch import nn

from spikedistill.data.normalise import normalise
from spikedistill.errors import InputError
from spikedistill.evaluate.activity import observe
from spikedistill.evaluate.energy import report
from spikedistill.evaluate.forms import Form
from spikedistill.runs.opened import Opened
from spikedistill.teachers.loaded import NetworkTeacher

IMAGES = 1000
"""On which spikes are counted unless more are asked for: a firing rate of 10 % is then known to 0.01 points."""
AT_A_TIME = 50


def energy_of(opened: Opened) -> dict[str, Any]:
    """Return what `spikedistill.evaluate.energy.report` says of a run's network, and of its teacher's.

    Computed in fp32, whatever the run's precision: spikes are told from other numbers by their values.

    Raises:
        InputError: the network does something that cannot be counted.
    """
    data = opened.data
    counted = _counted(opened, opened.network, opened.steps, f"The network of {opened.run.folder}", data.mean, data.std)
    about = {"name": data.name, "samples": len(opened.part), "chosen": "evenly spaced"}
    teacher = None if opened.run.recipe.teacher is None else _of_teacher(opened)
    return {"data": about, "precision": "fp32", **counted, "teacher": teacher}


def _counted(
    opened: Opened, network: nn.Module, steps: int | None, name: str, mean: tuple[float, ...], std: tuple[float, ...]
) -> dict[str, Any]:
    counts = opened.data.steps is not None and not any(mean) and all(abs(255 * one - 1) < 1e-6 for one in std)
    given: Form = 1.0 if counts else "dense"
    batches = (normalise(batch.images, mean, std) for batch in opened.batches(opened.some(IMAGES), AT_A_TIME))
    return report(observe(network, batches, steps, given, name), network)


def _of_teacher(opened: Opened) -> dict[str, Any]:
    """Return the teacher's counts, or why there are none: a teacher that is gone since is no fault of the run."""
    try:
        loaded = opened.teacher
        if not isinstance(loaded, NetworkTeacher):
            raise InputError("The teacher is no single network.")
        return _counted(opened, loaded.asked, loaded.steps, loaded.name, loaded.mean, loaded.std)
    except InputError as error:
        return {"problem": str(error)}
