"""Spikes, operations and energy of a finished run, its teacher's beside them."""

from typing import Any

from spikedistill.errors import InputError
from spikedistill.evaluate.energy import report
from spikedistill.runs.opened import Opened
from spikedistill.teachers.loaded import NetworkTeacher


def energy_of(opened: Opened) -> dict[str, Any]:
    """Return what `spikedistill.evaluate.energy.report` says of a run's network, and of its teacher's.

    Computed in fp32, whatever the run's precision: spikes are told from other numbers by their values.

    Raises:
        InputError: the network does something that cannot be counted.
    """
    counted = report(opened.activity, opened.network)
    about = {"name": opened.data.name, "samples": len(opened.part), "chosen": "evenly spaced"}
    teacher = None if opened.run.recipe.teacher is None else _of_teacher(opened)
    return {"data": about, "precision": "fp32", **counted, "teacher": teacher}


def _of_teacher(opened: Opened) -> dict[str, Any]:
    """Return the teacher's counts, or why there are none: a teacher that is gone since is no fault of the run."""
    try:
        loaded = opened.teacher
        if not isinstance(loaded, NetworkTeacher):
            raise InputError("The teacher is no single network.")
        seen = opened.counted(loaded.asked, loaded.steps, loaded.name, loaded.mean, loaded.std)
        return report(seen, loaded.asked)
    except InputError as error:
        return {"problem": str(error)}
