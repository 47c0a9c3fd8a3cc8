"""What stops a training: a loss term or a weight that is not finite."""

import torch

from spikedistill.errors import DivergedError
from spikedistill.methods.method import Losses
from spikedistill.training.state import TrainingState
from spikedistill.training.task import Task


def check_losses(task: Task, state: TrainingState, unchecked: list[Losses]) -> None:
    """Raise DivergedError if one of the last steps' loss terms is not finite. They may have different ones."""
    terms = [(step, name) for step, losses in enumerate(unchecked) for name in losses]
    values = torch.stack([unchecked[step][name].float() for step, name in terms])
    bad = (~torch.isfinite(values)).nonzero().flatten().tolist()
    if not bad:
        return
    step, name = terms[bad[0]]
    what = f"The loss term {name!r} is {values[bad[0]].item()}"
    raise diverged(task, state.epoch, state.step - len(unchecked) + step, what)


def check_weights(task: Task, state: TrainingState) -> None:
    """Raise DivergedError if a weight is not finite: what is saved must be worth going back to."""
    weights = state.student.state_dict() | state.method.state_dict(prefix="method.")
    finite = torch.stack([weight.isfinite().all() for weight in weights.values()]).tolist()
    if not all(finite):
        raise diverged(
            task, state.epoch, state.step - 1, f"The weight {list(weights)[finite.index(False)]!r} is not finite"
        )


def diverged(task: Task, epoch: int, step: int, what: str) -> DivergedError:
    """Return the error that says what went wrong in a step; epoch and step count from 0."""
    good = task.checkpoint if task.checkpoint.is_file() else "none yet"
    return DivergedError(
        f"{what} at epoch {epoch + 1}, step {step + 1}. Last good checkpoint: {good}. "
        "Try a smaller learning rate, clip_norm, or precision fp32."
    )
