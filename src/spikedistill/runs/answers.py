"""What a run's answers are worth: calibration, confusion, agreement with its teacher."""

from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spikedistill.errors import InputError
from spikedistill.evaluate.accuracy import accuracy_of_logits
from spikedistill.evaluate.agreement import agreement
from spikedistill.evaluate.calibration import calibration
from spikedistill.evaluate.confusion import confusion
from spikedistill.runs.describe import in_words
from spikedistill.runs.opened import Opened


def calibration_of(opened: Opened) -> dict[str, Any]:
    """Return ECE, Brier score, NLL and the reliability diagram on all images of the split."""
    found = asdict(calibration(opened.logits, opened.labels))
    return {"steps": len(opened.logits), "images": len(opened.part)} | found | {"bins": list(found["bins"])}


def confusion_of(opened: Opened) -> dict[str, Any]:
    """Return which classes were taken for which, on all images of the split."""
    found = confusion(opened.logits, opened.labels)
    names = {"names": list(opened.data.class_names)} if opened.data.class_names else {}
    return {
        "steps": len(opened.logits),
        "images": len(opened.part),
        "classes": len(found.matrix),
        **names,
        "matrix": [list(row) for row in found.matrix],
        "per_class": list(found.per_class),
    }


def agreement_of(opened: Opened) -> dict[str, Any]:
    """Return how far a run says what its teacher says of the same images: all of the split, or as many as asked for.

    The teacher sees them as it did while it taught, normalised with its own statistics.

    Raises:
        InputError: the run had no teacher. One that is gone since is no fault of the run: that is the result.
    """
    about = {"steps": len(opened.logits)}
    teacher = opened.run.recipe.teacher
    if teacher is None:
        raise InputError(f"The run {opened.run.folder} had no teacher to agree with.")
    index = opened.some(len(opened.part))
    try:
        theirs = logits_of_teacher(opened, index)
    except InputError as error:
        return about | {"problem": str(error)}
    index = index.cpu()
    own, labels = opened.logits[:, index], opened.labels[index]
    return about | {
        "images": len(index),
        "accuracy": accuracy_of_logits(own, labels).final,
        "teacher": {"name": in_words(teacher), "accuracy": accuracy_of_logits(theirs, labels).final},
        **asdict(agreement(own, theirs)),
    }


def logits_of_teacher(opened: Opened, index: Int[Tensor, " N"]) -> Float[Tensor, "T N K"]:
    """Return what a run's teacher says of some images of the split, on the CPU.

    Raises:
        InputError: it is gone since, or its answers are not finite.
    """
    theirs = torch.cat([opened.teacher.answers(batch).logits.cpu() for batch in opened.batches(index)], dim=1)
    if not theirs.isfinite().all():
        raise InputError("Its logits are not all finite in float16, which ends at 65504.")
    return theirs
