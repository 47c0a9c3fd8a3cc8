"""The rehearsal: untrained teacher and student, two random images, one step, before anything is trained.

What cannot fit is said in a second and not after the hours that a teacher takes: channels and classes that differ,
taps that are not there or never fire, a method that cannot be built for these networks, a loss that is not finite or
reaches no weight, a step that is too large for the machine. No file of the data is read.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from spikedistill.data.dataset import Dataset
from spikedistill.data.split import Batch, Split, Splits
from spikedistill.errors import InputError, UserCodeError
from spikedistill.evaluate.accuracy import accuracy
from spikedistill.machine.allocator import memory, said_in_a_line
from spikedistill.models.layers import NormAct
from spikedistill.recipe import Recipe, recipes_in
from spikedistill.runs.describe import describe
from spikedistill.teachers.context import Context, Trained
from spikedistill.teachers.loaded import LoadedTeacher, check_answers
from spikedistill.training import loop
from spikedistill.training.start import start
from spikedistill.training.state import TrainingState
from spikedistill.training.task import Task

SECONDS_TO_MEASURE = 5.0
MOST_STEPS_TO_MEASURE = 10

ContextOf = Callable[[Recipe], Context]
"""Gives what the teacher of a recipe is loaded with."""


@dataclass(frozen=True)
class RandomImages(Split):
    """As many samples as a split has, of the right shape, made up when they are asked for."""

    sample_shape: tuple[int, ...]

    def take(self, index: Tensor, view: int = 0) -> Tensor:
        """See `Split.take`."""
        generator = torch.Generator().manual_seed(view)
        images = torch.randint(0, 256, (len(index), *self.sample_shape), generator=generator, dtype=torch.uint8)
        return images.to(index.device)


def rehearse(recipe: Recipe, context_of: ContextOf) -> None:
    """Rehearse a resolved recipe, after those of its starts and teacher, of their teachers, and so on; each once.

    Raises:
        InputError: it could not be trained to its end.
    """
    inner = {one.hash: one for part in recipe.parts for one in recipes_in(part)}
    for one in inner.values():
        rehearse(one, context_of)
    context = context_of(recipe)
    with said_in_a_line(recipe.name):
        check_size(recipe, context.device)
        task, state = begin_task(recipe, context)
        for share in phase_starts(recipe):
            one_step(task, state, share, min(2, recipe.settings(share).batch_size))


def smoke(recipe: Recipe, context_of: ContextOf) -> None:
    """Two whole steps of a resolved recipe on two random images each, with untrained teachers; nothing is kept.

    Raises:
        InputError: it could not be trained.
    """
    with said_in_a_line(recipe.name):
        task, state = begin_task(recipe, context_of(recipe))
        for _ in range(2):
            loop.train_step(task, state, some_images(task, min(2, recipe.batch_size)))


def begin_task(recipe: Recipe, context: Context) -> tuple[Task, TrainingState]:
    """Return a training of a recipe on random images, with untrained networks where recipes train them."""
    data = recipe.data
    held_out = made_up(data, data.validation, context.device) if data.validation else None
    splits = Splits(
        made_up(data, train_images(data), context.device),
        held_out,
        made_up(data, sum(data.test_counts), context.device),
    )
    teacher: LoadedTeacher | None = None
    if recipe.teacher is not None:
        teacher = recipe.teacher.load(replace(context, train=untrained))
        check_answers(teacher, next(splits.train.in_order(2)))
    starts = tuple(one.load(replace(context, train=untrained)) for one in recipe.start)
    task = Task(recipe, splits, teacher, context.device, Path(), lambda _state: None, starts)
    _ = task.plan  # raises where a batch is larger than an epoch
    return task, start(task)


def made_up(data: Dataset, count: int, device: torch.device) -> RandomImages:
    """Return `count` random samples of a data set's shape, of all classes in turn."""
    return RandomImages(torch.arange(count, device=device) % data.classes, data.sample_shape)


def train_images(data: Dataset) -> int:
    """Return the size of the training split."""
    return data.train_size or sum(data.train_counts) - data.validation


def untrained(recipe: Recipe) -> Trained:
    """Return the network that a recipe would train, as it is built."""
    torch.manual_seed(recipe.seed)
    network = recipe.model.build(recipe.data.shape, recipe.data.classes, recipe.neuron, recipe.norm)
    return Trained(recipe, network.eval())


def phase_starts(recipe: Recipe) -> list[float]:
    """Return the shares of all images at which the recipe's phases begin."""
    return [0.0, *(phase.until for phase in recipe.phases[:-1])]


def stand_at(task: Task, state: TrainingState, share: float) -> None:
    """Let the next step be the first that begins when this share of all images has been seen."""
    images = task.plan.images
    state.epoch, state.images = divmod(math.ceil(share * task.recipe.epochs * images), images)


def one_step(task: Task, state: TrainingState, share: float, count: int) -> None:
    """Ask for the loss of `count` images and its gradient, as they are when that share of all images has been seen.

    Raises:
        InputError: a loss term or a gradient is not finite, or no weight gets a gradient.
    """
    recipe = task.recipe
    stand_at(task, state, share)
    try:
        _, losses = loop.forward(task, state, some_images(task, count))
    except ValueError as error:
        if count == 1 and "more than 1 value per channel" in str(error):
            raise InputError("batch_size 1 leaves a norm one value per channel. Take 2 or more.") from error
        raise
    where = f"The rehearsal of {recipe.name}, one step on random images, fails:"
    for name, value in losses.items():
        if not value.isfinite().all():
            raise InputError(f"{where} the loss term {name!r} is {value.item()}. Change the method: {recipe.method}.")
    recipe.method.at(share).total(losses).backward()
    gradients = {name: weight.grad for name, weight in state.student.named_parameters() if weight.grad is not None}
    if not gradients:
        raise InputError(f"{where} the loss gives no weight of the student a gradient.")
    for name, gradient in gradients.items():
        if not gradient.isfinite().all():
            raise InputError(f"{where} the gradient of {name!r} is not finite. Change the method: {recipe.method}.")


def some_images(task: Task, count: int) -> Batch:
    """Return a batch of random images, augmented as the recipe says."""
    return task.batches.batch(torch.arange(count, device=task.device), task.recipe.view(0))


def check_size(recipe: Recipe, device: torch.device) -> None:
    """Raise InputError where weights, or what a step keeps of its activations, are surely more than there is memory.

    Counted on shapes alone: weights with gradients, and a byte for each number that enters neurons in a batch.
    """
    try:
        weights, activations = _numbers(recipe)
    except UserCodeError:  # code of a user's own may look at numbers, and here are none: it is not counted
        return
    except InputError:
        raise
    except Exception:
        return
    weights *= 8
    largest = max(recipe.settings(share).batch_size * recipe.settings(share).steps for share in phase_starts(recipe))
    activations *= largest if recipe.time_steps > 1 else recipe.batch_size
    there = memory(device)
    for what, size, advice in (
        ("the weights and gradients of the student", weights, "a smaller model"),
        ("the activations of a step", activations, "a smaller batch_size, fewer steps or a smaller model"),
    ):
        if size > there:
            raise InputError(
                f"{recipe.name}: {what} take at least {size / 2**30:,.0f} GiB, and there are {there / 2**30:,.0f}. "
                f"Take {advice}."
            )


def _numbers(recipe: Recipe) -> tuple[int, int]:
    """Return how many weights the student has, and how many numbers enter its neurons for an image and time step."""
    with torch.device("meta"), torch.no_grad():
        network = recipe.model.build(recipe.data.shape, recipe.data.classes, recipe.neuron, recipe.norm)
        sizes: list[int] = []
        acts = [module for module in network.modules() if isinstance(module, NormAct)]
        for act in acts:
            act.register_forward_hook(lambda _module, _inputs, output: sizes.append(output[0].numel()))
        if acts:
            network.eval()(torch.empty(2, *recipe.data.shape), 1)
    return sum(parameter.numel() for parameter in network.parameters()), sum(sizes) // 2


@dataclass(frozen=True)
class Estimate:
    """What a training will be like."""

    recipe: Recipe
    """Resolved."""
    lines: list[tuple[str, str]]
    """See `spikedistill.runs.describe`."""
    steps: int
    """Of the optimiser."""
    step_seconds: float
    """Of one step at the first batch size, its images' augmentation with it."""
    seconds: float
    """Of all steps and evaluations; reading data, storing answers and saving are left out."""


def estimate(recipe: Recipe, context: Context) -> Estimate:
    """Measure a few steps at the real batch size on random images, and an evaluation.

    Raises:
        InputError: see `rehearse`; also where a whole batch does not fit into memory.
    """
    with said_in_a_line(recipe.name):
        task, state = begin_task(recipe, context)
        starts = phase_starts(recipe)
        of_a_step = [step_time(task, state, share) for share in starts]
        seconds = 0.0
        for begin, end, one in zip(starts, [*starts[1:], 1.0], of_a_step, strict=True):
            seconds += one * (end - begin) * recipe.epochs * task.plan.images / recipe.settings(begin).batch_size
        shown = made_up(recipe.data, 500, task.device)
        images = sum(recipe.data.test_counts) + recipe.data.validation
        evaluation = time_of(
            lambda: accuracy(state.evaluated, shown, recipe.data, recipe.steps, recipe.precision), task.device
        )
        seconds += evaluation * images / len(shown) * (recipe.epochs // recipe.evaluate_every + 1)
    parameters = sum(parameter.numel() for parameter in state.student.parameters())
    lines = describe(recipe, task.device, parameters)
    return Estimate(recipe, lines, task.plan.steps(recipe.epochs), of_a_step[0], seconds)


def step_time(task: Task, state: TrainingState, share: float) -> float:
    """Return the seconds of a whole step, as it is when that share of all images has been seen.

    Where T is drawn for each batch, those of the steps that follow are measured too.
    """
    settings = task.recipe.settings(share)
    stand_at(task, state, share)

    def work() -> None:
        if settings.fewest_steps is None or task.plan.step(state.epoch, state.images) is None:
            stand_at(task, state, share)
        loop.train_step(task, state, some_images(task, settings.batch_size))

    return time_of(work, task.device)


def time_of(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of one call, the median of a few after the first."""
    times: list[float] = []
    started = time.monotonic()
    while len(times) <= MOST_STEPS_TO_MEASURE:
        before = time.monotonic()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.monotonic() - before)
        if time.monotonic() - started > SECONDS_TO_MEASURE:
            break
    later = sorted(times[1:] or times)
    return later[len(later) // 2]
