"""The start of a training: the state before the first step, or that of the checkpoint that is there."""

from collections.abc import Iterator
from functools import partial

import torch

from spikedistill.data.normalise import normalise
from spikedistill.errors import InputError
from spikedistill.machine import state_files
from spikedistill.machine.device import channels_last
from spikedistill.methods.method import MethodModule, Side, Signals
from spikedistill.models import Network
from spikedistill.models.taps import Taps, attach
from spikedistill.starts.before import Before
from spikedistill.teachers.loaded import LoadedTeacher, compare_digests
from spikedistill.training.state import TrainingState, moving_average
from spikedistill.training.step import Step
from spikedistill.training.task import Task


def start(task: Task) -> TrainingState:
    """Return the state before the first step, a function of the recipe alone.

    Raises:
        InputError: a tap is of no module, or does not fire; start, teacher and student do not go together.
    """
    recipe = task.recipe
    torch.manual_seed(recipe.seed)
    student = recipe.model.build(recipe.data.shape, recipe.data.classes, recipe.neuron, recipe.norm)
    student = channels_last(student, task.device)
    for change in task.starts:
        change(student, Before(recipe, task.batches))
    average = moving_average(student, recipe)
    taps = attach(student, recipe.method.student_taps)
    method = built(task, student, taps).to(task.device)
    optimizer = recipe.optimizer.build((student, method))
    return TrainingState(Step(student, taps, method, recipe.precision), optimizer, average)


def built(task: Task, student: Network, taps: Taps) -> MethodModule:
    """Return the method as a module, built for both networks.

    Raises:
        InputError: see `sides`; or it reads the teacher's network, and the teacher's answers are stored.
    """
    recipe = task.recipe
    try:
        return recipe.method.build(*sides(task, student, taps))
    except AttributeError as error:
        if not recipe.cache or error.obj is not None:
            raise
        raise InputError(
            f"The method {recipe.method.name} reads its teacher's network when it is built ({error}), and --cache "
            "stores logits alone. Leave the cache out."
        ) from error


@torch.no_grad()
def sides(task: Task, student: Network, taps: Taps) -> tuple[Side, Side | None]:
    """Return both networks with their signals for two images, which a method is built for.

    Raises:
        InputError: the method compares time steps, and student and teacher do not have as many.
    """
    method, data = task.recipe.method, task.recipe.data
    batch = task.batches.batch(torch.arange(2, device=task.splits.train.labels.device), task.recipe.view(0))
    images = batch.images
    student.eval()
    with taps.recording():
        logits = student(normalise(images, data.mean, data.std), task.recipe.steps)
    student.train()
    ours = Side(student, Signals(logits, taps.take()))
    if task.teacher is None:
        return ours, None
    answers = task.teacher.answers(batch)
    if method.same_steps and len(answers.logits) != len(logits):
        raise InputError(
            f"The method {method.name} compares time steps: the student has {len(logits)}, its teacher "
            f"{len(answers.logits)}. Give both as many (--steps {len(answers.logits)}), or take another method."
        )
    network = None if task.recipe.cache else task.teacher.network  # in the rehearsal there is one, later not
    return ours, Side(network, answers, partial(asked, task, task.teacher))


@torch.no_grad()
def asked(task: Task, teacher: LoadedTeacher) -> Iterator[Signals]:
    """Yield what the teacher says of the first epoch's batches, in their order."""
    for batch in task.batches.epoch(0, view=task.recipe.view(0)):
        yield teacher.answers(batch)


def save(task: Task, state: TrainingState) -> None:
    """Write the checkpoint."""
    teacher = task.teacher.digest if task.teacher else ""
    state_files.save(task.checkpoint, state.to_save() | {"teacher": teacher})


def resume(task: Task, state: TrainingState) -> None:
    """Bring back the state of the checkpoint. Raises InputError; see `train_network`."""
    saved = state_files.load(task.checkpoint)
    if task.teacher and isinstance(saved, dict):
        compare_digests(saved.get("teacher", ""), task.teacher.digest, f"The teacher of {task.folder}")
    try:
        state.restore(saved)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{task.checkpoint} does not fit its recipe ({error}). Delete the folder to train the run again."
        ) from error
    if any("validation_accuracy" in record for record in state.records) and not task.best_weights.is_file():
        raise InputError(f"{task.best_weights} is missing. Bring it back, or delete the folder to train the run again.")
