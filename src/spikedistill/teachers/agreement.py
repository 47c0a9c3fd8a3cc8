"""Whether a teacher answers as it did: what it said of a few images is kept beside a run and compared later.

A teacher of a user's own may be more than its parameters: a wrapped scikit-learn model, say, has none that torch knows,
and a digest of weights cannot tell two of them apart. Its answers can. They are no part of a recipe's hash, because
answers round otherwise on another machine: they are compared with a tolerance.
"""

import math
from pathlib import Path

import torch
from jaxtyping import Float

from spikedistill.data.split import Batch, Split
from spikedistill.errors import InputError
from spikedistill.machine import state_files
from spikedistill.machine.device import Precision
from spikedistill.teachers.loaded import LoadedTeacher

IMAGES = 32
"""That are kept: the first of the training set, without augmentation."""
TOLERANCE = {"fp32": 2.0**-6, "bf16": 2.0**-4}
"""Largest relative distance (Euclidean, over a batch) between kept and new logits. On one machine it is 0; this leaves
room for another one's kernels."""


def keep_answers(path: Path, teacher: LoadedTeacher, split: Split) -> None:
    """Write what the teacher says of the first images of a split, and the images.

    Raises:
        NotSavedError: the disk is full, say.
    """
    batch = next(split.in_order(IMAGES))
    state_files.save(path, {"images": batch.images, "logits": teacher.answers(batch).logits})


def compare_answers(path: Path, teacher: LoadedTeacher, device: torch.device, precision: Precision) -> None:
    """Ask the teacher about the images of a file again.

    Raises:
        InputError: it says something else now, or the file is damaged.
    """
    kept = state_files.load(path)
    images = kept["images"].to(device)
    index = torch.arange(len(images), device=device)
    now = teacher.answers(Batch(index, 0, images, torch.zeros_like(index))).logits.cpu()
    away = distance(now, kept["logits"])
    if not away <= TOLERANCE[precision]:
        raise InputError(
            f"The teacher of {path.parent} answers otherwise than when that run began: its logits are {away:.2g} "
            f"(relative) from those in {path.name}, {TOLERANCE[precision]:.2g} are allowed. Bring the old teacher "
            "back, or move the folder away to train the run with the new one."
        )


def distance(now: Float[torch.Tensor, "A B C"], before: Float[torch.Tensor, "D E F"]) -> float:
    """Return the Euclidean distance relative to `before`; infinite where the shapes differ, as with other steps."""
    if now.shape != before.shape:
        return math.inf
    return float(torch.dist(now, before) / torch.linalg.vector_norm(before).clamp_min(1e-12))
