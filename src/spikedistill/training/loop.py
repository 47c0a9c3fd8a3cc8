"""The training loop: batches, teacher, student, method, optimiser; evaluation, log line and checkpoint per epoch."""

import threading
import time
from typing import Any

import torch
from torch import Tensor, nn

from spikedistill.data.batches import Batches
from spikedistill.data.normalise import normalise
from spikedistill.data.split import Batch, Split
from spikedistill.errors import Stopped
from spikedistill.evaluate.accuracy import accuracy
from spikedistill.machine import state_files
from spikedistill.machine.interrupts import stop_signal
from spikedistill.machine.progress import Reporter
from spikedistill.methods.method import Losses
from spikedistill.optim.optimizers import set_rate
from spikedistill.randomness import Draws, drawing
from spikedistill.training.checks import check_losses, check_weights
from spikedistill.training.norms import as_evaluated
from spikedistill.training.start import resume, save, start
from spikedistill.training.state import TrainingState
from spikedistill.training.task import Task

SECONDS_BETWEEN_SAVES = 120.0
STEPS_BETWEEN_CHECKS = 16
"""Loss terms are looked at this often, so that a GPU is not waited for in every step."""


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
    recipe.method.at(task.plan.progress(state.epoch, state.images)).total(losses).backward()
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
    draws = Draws(recipe.seed, state.epoch, batch.index)
    for_method = draws if recipe.method.draws else None
    with drawing(draws):
        answer: tuple[Tensor, Losses] = state.trained(
            images, settings.steps, teacher, batch.labels, for_method, settings.backward
        )
    return answer


def means(state: TrainingState) -> tuple[dict[str, float], float, float]:
    """Return the epoch's mean loss terms (over the steps that had them), training accuracy, images per second."""
    losses = {name: float(value) / state.counts[name] for name, value in state.sums.items()}
    return losses, float(state.right) / state.images, state.images / max(state.epoch_seconds, 1e-9)


def finish_epoch(task: Task, state: TrainingState) -> None:
    """Evaluate where it is due, write the epoch's record, and stand at the start of the next epoch."""
    recipe = task.recipe
    losses, right, speed = means(state)
    method = recipe.method.at(task.plan.progress(state.epoch, state.images))  # as at the end of the epoch
    weights = {name: method.factor_of(name) for name in losses}
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
        with as_evaluated(task, state) as network:
            state_files.save(task.best_weights, dict(network.state_dict()))


def evaluate(task: Task, state: TrainingState) -> dict[str, float]:
    """Return the accuracies at the recipe's T, by the names that the log has for them."""
    recipe = task.recipe

    with as_evaluated(task, state) as network:

        def at_end(split: Split) -> float:
            return accuracy(network, split, recipe.data, recipe.steps, recipe.precision).final

        held_out = task.splits.validation
        validation = {} if held_out is None else {"validation_accuracy": at_end(held_out)}
        return validation | {"accuracy": at_end(task.splits.test)}
