"""Spikes, operations and energy of a finished run, its teacher's beside them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from spikedistill.data.dataset import Dataset
from spikedistill.data.normalise import normalise
from spikedistill.data.split import Split
from spikedistill.errors import InputError, shown
from spikedistill.evaluate.activity import observe
from spikedistill.evaluate.energy import report
from spikedistill.evaluate.forms import Form
from spikedistill.machine.device import pick_device
from spikedistill.machine.progress import Reporter
from spikedistill.recipe import Recipe, everywhere
from spikedistill.runs.evaluate import ready
from spikedistill.runs.folder import Run, find
from spikedistill.runs.train import contexts, with_root
from spikedistill.teachers.context import Trained
from spikedistill.teachers.loaded import NetworkTeacher

IMAGES = 1000
"""On which spikes are counted unless more are asked for: a firing rate of 10 % is then known to 0.01 points."""
AT_A_TIME = 50


def energy_of_run(
    run: Run,
    steps: int | None = None,
    split: str = "test",
    root: str | None = None,
    device: str = "auto",
    weights: str = "last",
    images: int = IMAGES,
) -> dict[str, Any]:
    """Return what `spikedistill.evaluate.energy.report` says of a run's network, and of its teacher's.

    Computed in fp32, whatever the run's precision: spikes are told from other numbers by their values.

    Args:
        run: A finished run.
        steps: See `evaluate_run`, and for the next four.
        split: `test`, `validation` or `train` (without augmentation).
        root: Folder of the data's files.
        device: `auto`, `cpu`, `cuda`, ...
        weights: `last` or `best`.
        images: How many of the split, evenly over all of them; all where there are fewer.

    Raises:
        InputError: see `evaluate_run`; or the network does something that cannot be counted.
    """
    if images < 1:
        raise InputError(f"images must be a number of images, 1 or more, not {shown(images)}.")
    network, data, splits, asked = ready(run, steps, split, root, device, weights)
    place = pick_device(device)
    part = getattr(splits, split)
    part = part.to(place)
    counted = _counted(network, part, data, images, asked, f"The network of {run.folder}")
    return {
        "what": "energy",
        "split": split,
        "weights": weights,
        "data": {"name": data.name, "samples": len(part), "chosen": "evenly spaced"},
        "precision": "fp32",
        **counted,
        "teacher": None if run.recipe.teacher is None else _of_teacher(run, part, data, images, place),
    }


def _counted(
    network: nn.Module,
    part: Split,
    data: Dataset,
    images: int,
    steps: int | None,
    name: str,
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
) -> dict[str, Any]:
    mean, std = statistics or (data.mean, data.std)
    counts = data.steps is not None and not any(mean) and all(abs(255 * one - 1) < 1e-6 for one in std)
    given: Form = 1.0 if counts else "dense"
    seen = observe(network, _batches(part, images, mean, std), steps, given, name)
    return report(seen, network)


def _batches(part: Split, images: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Iterator[Tensor]:
    number = min(images, len(part))
    index = torch.arange(number, device=part.labels.device) * len(part) // number
    for some in index.split(AT_A_TIME):
        yield normalise(part.take(some), mean, std)


def _of_teacher(run: Run, part: Split, data: Dataset, images: int, place: torch.device) -> dict[str, Any]:
    """Return the teacher's counts, or why there are none: a teacher that is gone since is no fault of the run."""
    teacher = run.recipe.teacher
    assert teacher is not None
    root = run.folder.parent

    def trained(recipe: Recipe) -> Trained:
        there = find(everywhere(recipe, with_root(data.root)), root)
        if there is None or not there.finished:
            raise InputError(f"The teacher {recipe.name} is not in {root}.")
        return Trained(there.recipe, there.network())

    context = replace(contexts(root, place, Reporter())(run.recipe), train=trained, taps=())
    try:
        loaded = teacher.load(context)
        if not isinstance(loaded, NetworkTeacher):
            raise InputError("The teacher is no single network.")
        statistics = (loaded.mean, loaded.std)
        return _counted(loaded.asked, part, data, images, loaded.steps, loaded.name, statistics)
    except InputError as error:
        return {"problem": str(error)}
