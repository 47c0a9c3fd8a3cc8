"""What a finished run's network says of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from spikedistill.data.normalise import normalise
from spikedistill.data.picture import read_picture
from spikedistill.errors import InputError
from spikedistill.kernels import FrozenWeights
from spikedistill.machine.device import autocast, channels_last, pick_device
from spikedistill.runs.folder import Run
from spikedistill.runs.opened import check_steps

AT_A_TIME = 100
"""Pictures in memory."""


@dataclass(frozen=True)
class Prediction:
    """The answer to one picture."""

    picture: Path
    probabilities: tuple[float, ...]
    """Of each class: the softmax of the logits' mean over all time steps."""

    @property
    def label(self) -> int:
        """The most probable class, counted from 0."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)


@torch.no_grad()
def predict(
    run: Run, pictures: Sequence[Path], steps: int | None = None, resize: bool = False, device: str = "auto"
) -> list[Prediction]:
    """Return what a run's network answers to pictures in files; nothing is answered where one cannot be read.

    Args:
        run: A finished run.
        pictures: Files that `spikedistill.data.picture` decodes.
        steps: T; the recipe's own if None.
        resize: Bring pictures of another size to that of the run's data, instead of refusing them.
        device: `auto`, `cpu`, `cuda`, ...

    Raises:
        InputError: the run is not finished or reads no pictures, a picture cannot be read, or `steps` is no T.
    """
    check_steps(steps)
    recipe, data = run.recipe, run.recipe.data
    if data.steps is not None:
        raise InputError(f"The run {run.folder} reads samples of {data.name}, which are no pictures.")
    place = pick_device(device)
    network = channels_last(run.network(), place)
    for picture in pictures[AT_A_TIME:]:  # the first are read next in any case
        read_picture(picture, data.shape, resize)
    answers = []
    with FrozenWeights():
        for start in range(0, len(pictures), AT_A_TIME):
            some = pictures[start : start + AT_A_TIME]
            images = torch.stack([read_picture(picture, data.shape, resize) for picture in some]).to(place)
            with autocast(place, recipe.precision):
                logits = network(normalise(images, data.mean, data.std), steps or recipe.steps).float()
            probabilities = logits.mean(0).softmax(-1).tolist()
            answers += [Prediction(one, tuple(shares)) for one, shares in zip(some, probabilities, strict=True)]
    return answers
