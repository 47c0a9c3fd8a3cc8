"""The training loop: batches, teacher, student, method, optimiser; evaluation, log line and checkpoint per epoch."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spikedistill.data.batches import Batches
from spikedistill.data.normalise import normalise
from spikedistill.data.split import Batch, Split, Splits
from spikedistill.errors import DivergedError, InputError, Stopped
from spikedistill.evaluate.accuracy import accuracy
from spikedistill.machine import state_files
from spikedistill.machine.device import channels_last
from spikedistill.machine.interrupts import stop_signal
from spikedistill.machine.progress import Reporter
from spikedistill.methods.method import Losses, Side, Signals
from spikedistill.models import Network
from spikedistill.models.taps import Taps, attach
from spikedistill.randomness import Draws
from spikedistill.recipe import Recipe
from spikedistill.teachers.loaded import LoadedTeacher, compare_digests
from spikedistill.training.plan import Plan
from spikedistill.training.state import TrainingState, moving_average
from spikedistill.training.step import Step

SECONDS_BETWEEN_SAVES = 120.0
BEST_WEIGHTS = "weights-best.safetensors"
STEPS_BETWEEN_CHECKS = 16
"""Loss terms are looked at this often, so that a GPU is not waited for in every step."""


@dataclass(frozen=True)
class Task:
    """What a training works with; nothing of it changes."""

    recipe: Recipe
    splits: Splits
    teacher: LoadedTeacher | None
    device: torch.device
    folder: Path
    """The checkpoint is kept here."""
    on_epoch: Callable[[TrainingState], None]
    """Called when an epoch is evaluated and before it is saved."""

    @property
    def batches(self) -> Batches:
        """Of the training images: the order follows the recipe's seed, the augmentation its `view_seed`."""
        recipe = self.recipe
        shown = recipe.data.augmented(self.splits.train, recipe.view_seed)
        return Batches(shown, recipe.batch_size, recipe.seed)

    @cached_property
    def plan(self) -> Plan:
        """Where epochs and phases begin and end."""
        return Plan(self.recipe, len(self.splits.train))

    @property
    def checkpoint(self) -> Path:
        """Where the state is saved."""
        return self.folder / "checkpoint.safetensors"

    @property
    def best_weights(self) -> Path:
        """Where the weights are kept that were best on the validation split, if there is one."""
        return self.folder / BEST_WEIGHTS


def train_network(task: Task, report: Reporter) -> TrainingState:
    """Train, or go on from the checkpoint that is there, to the recipe's last epoch.

    Raises:
        Stopped: SIGINT or SIGTERM came; the state is saved.
        DivergedError: a loss term or a weight is not finite.
        NotSavedError: the disk is full, say; the checkpoint before stands.
        InputError: the checkpoint is damaged, or was made with another teacher.
    """
    recipe = task.recipe
    batches = task.batches
    state = start(task)
    if task.checkpoint.is_file():
        resume(task, state)
    report.begin(recipe.name, task.plan.steps(state.epoch, state.images), task.plan.steps(recipe.epochs))
    try:
        with stop_signal() as stopping:
            while state.epoch < recipe.epochs:
                train_epoch(task, state, batches, report, stopping)
                finish_epoch(task, state)
                report.epoch(state.records[-1])
                save(task, state)
                if stopping.is_set() and state.epoch < recipe.epochs:
                    raise Stopped(f"Stopped after epoch {state.epoch}; the state is saved.")
    finally:
        report.end()
    return state


def start(task: Task) -> TrainingState:
    """Return the state before the first step, a function of the recipe alone.

    Raises:
        InputError: a tap is of no module, or does not fire; teacher and student do not go together.
    """
    recipe = task.recipe
    torch.manual_seed(recipe.seed)
    student = recipe.model.build(recipe.data.shape, recipe.data.classes, recipe.neuron, recipe.norm)
    student = channels_last(student, task.device)
    average = moving_average(student, recipe)
    taps = attach(student, recipe.method.student_taps)
    method = recipe.method.build(*sides(task, student, taps)).to(task.device)
    optimizer = recipe.optimizer.build((student, method))
    return TrainingState(Step(student, taps, method, recipe.precision), optimizer, average)


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
    return ours, Side(task.teacher.network, answers)


def train_epoch(
    task: Task,
    state: TrainingState,
    batches: Batches,
    report: Reporter,
    stopping: threading.Event,
) -> None:
    """Do the rest of the current epoch's steps. Raises Stopped and DivergedError; see `train_network`."""
    state.student.train()
    if state.step == 0:
        torch.manual_seed(task.recipe.seed * 1_000_003 + state.epoch)
    unchecked: list[Losses] = []
    clock = last_save = time.monotonic()
    view = task.recipe.view(state.epoch)
    order = batches.order(state.epoch)
    while (settings := task.plan.step(state.epoch, state.images)) is not None:
        batch = batches.batch(order[state.images : state.images + settings.batch_size], view)
        set_rate(state.optimizer, task.plan.rate(state.epoch, state.images))
        unchecked.append(train_step(task, state, batch))
        report.advance()
        last = task.plan.step(state.epoch, state.images) is None
        save_due = stopping.is_set() or time.monotonic() - last_save > SECONDS_BETWEEN_SAVES
        if save_due or last or len(unchecked) == STEPS_BETWEEN_CHECKS:
            check_losses(task, state, unchecked)  # waits for the device: the time after it is the steps' own
            state.epoch_seconds += time.monotonic() - clock
            clock = time.monotonic()
            report.step(state.epoch + 1, *means(state))
            unchecked = []
        if save_due or last:
            check_weights(task, state)
        if save_due and not last:
            save(task, state)
            clock = last_save = time.monotonic()
            if stopping.is_set():
                raise Stopped(f"Stopped at epoch {state.epoch + 1}, step {state.step}; the state is saved.")


def train_step(task: Task, state: TrainingState, batch: Batch) -> Losses:
    """One step of the optimiser; counts and returns the raw loss terms, detached, without waiting for the device."""
    recipe = task.recipe
    logits, losses = forward(task, state, batch)
    state.optimizer.zero_grad(set_to_none=True)
    recipe.method.total(losses).backward()
    if recipe.clip_norm:
        parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
    state.optimizer.step()
    if state.average is not None:
        state.average.update_parameters(state.student)
    detached = {name: value.detach() for name, value in losses.items()}
    state.count(detached, (logits.detach().mean(0).argmax(-1) == batch.labels).sum(), len(batch.labels))
    return detached


def forward(task: Task, state: TrainingState, batch: Batch) -> tuple[Tensor, Losses]:
    """Return the student's logits for a batch, and the raw loss terms, as they are where the state stands."""
    recipe, settings = task.recipe, task.plan.settings(state.epoch, state.images)
    teacher = task.teacher.answers(batch) if task.teacher else None
    images = normalise(batch.images, recipe.data.mean, recipe.data.std)
    draws = Draws(recipe.seed, state.epoch, batch.index) if recipe.method.draws else None
    answer: tuple[Tensor, Losses] = state.trained(
        images, settings.steps, teacher, batch.labels, draws, settings.backward
    )
    return answer


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate for the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def means(state: TrainingState) -> tuple[dict[str, float], float, float]:
    """Return the epoch's mean loss terms (over the steps that had them), training accuracy, images per second."""
    losses = {name: float(value) / state.counts[name] for name, value in state.sums.items()}
    return losses, float(state.right) / state.images, state.images / max(state.epoch_seconds, 1e-9)


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


def finish_epoch(task: Task, state: TrainingState) -> None:
    """Evaluate where it is due, write the epoch's record, and stand at the start of the next epoch."""
    recipe = task.recipe
    losses, right, speed = means(state)
    weights = {name: recipe.method.factor_of(name) for name in losses}
    record: dict[str, Any] = {"epoch": state.epoch + 1, "losses": losses, "weights": weights, "train_accuracy": right}
    if (state.epoch + 1) % recipe.evaluate_every == 0 or state.epoch + 1 == recipe.epochs:
        record |= evaluate(task, state)
    rate = state.optimizer.param_groups[0]["lr"]
    record |= {
        "learning_rate": rate,
        "images": state.images,
        "seconds": state.epoch_seconds,
        "images_per_second": speed,
    }
    state.records.append(record)
    keep_best(task, state)
    state.end_epoch()
    task.on_epoch(state)


def keep_best(task: Task, state: TrainingState) -> None:
    """Keep the weights where the last epoch is the best so far on the validation split; the first of equal ones stays.

    The test split has no say. A run that is killed before its checkpoint is saved does the epoch again, and this too.
    """
    *before, last = [record.get("validation_accuracy", -1.0) for record in state.records]
    if last > max(before, default=-1.0):
        state_files.save(task.best_weights, dict(state.evaluated.state_dict()))


def evaluate(task: Task, state: TrainingState) -> dict[str, float]:
    """Return the accuracies at the recipe's T, by the names that the log has for them."""
    recipe = task.recipe

    def at_end(split: Split) -> float:
        return accuracy(state.evaluated, split, recipe.data, recipe.steps, recipe.precision).final

    held_out = task.splits.validation
    validation = {} if held_out is None else {"validation_accuracy": at_end(held_out)}
    return validation | {"accuracy": at_end(task.splits.test)}
