"""Train a recipe in its run folder: the finished run that is there, the interrupted one resumed, or a new one."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from spikedistill.data.split import Split, Splits
from spikedistill.errors import InputError
from spikedistill.evaluate.accuracy import Accuracy, accuracy
from spikedistill.kernels.choice import in_use
from spikedistill.machine import state_files
from spikedistill.machine.allocator import keep_freed_memory, said_in_a_line
from spikedistill.machine.device import pick_device, resolve_precision
from spikedistill.machine.progress import Reporter
from spikedistill.machine.state_files import write_atomically
from spikedistill.methods.method import Side, Signals
from spikedistill.models import Network
from spikedistill.randomness import Draws
from spikedistill.recipe import Recipe, Teacher, everywhere, recipes_in
from spikedistill.runs.describe import describe
from spikedistill.runs.folder import (
    Run,
    begin,
    find,
    locked,
    open_run,
    record_kernels,
    runs_root,
    write_json,
)
from spikedistill.runs.provenance import versions
from spikedistill.runs.rehearse import ContextOf, Estimate, estimate, rehearse, smoke
from spikedistill.starts.before import Before
from spikedistill.teachers.agreement import compare_answers, keep_answers
from spikedistill.teachers.context import Context, Trained
from spikedistill.teachers.loaded import LoadedTeacher, check_answers
from spikedistill.teachers.stored import open_store
from spikedistill.training import loop
from spikedistill.training.norms import as_evaluated
from spikedistill.training.state import TrainingState
from spikedistill.training.task import BEST_WEIGHTS, Task
from spikedistill.values.plain import UNUSED, from_json, to_json

__all__ = ["Run", "open_run", "train_recipe"]

TEACHER = "teacher.safetensors"
"""What the teacher said of a few images, in the folder of a run whose teacher is code of the user's."""


def train_recipe(
    recipe: Recipe,
    root: Path | str = "runs",
    device: str = "auto",
    report: Reporter | None = None,
    wait: bool = True,
) -> Run:
    """Return the finished run of a recipe: the one that is there, the interrupted one resumed, or a new one.

    A teacher or a start that is a recipe is trained first if it has not been. The process keeps memory that is freed
    from then on (`spikedistill.machine.allocator`).

    Args:
        recipe: What to train.
        root: Folder of run folders.
        device: `auto`, `cpu`, `cuda`, ...
        report: Who is told how it goes; nobody if None.
        wait: Whether to wait where another process works on this recipe; teachers are always waited for.

    Raises:
        InputError: the recipe cannot be run as it is.
        Busy: another process works on it, and `wait` is off.
        Stopped: the user stopped it; it can be resumed.
        DivergedError: a loss term or a weight is not finite.
        NotSavedError: the disk is full, say; what was saved before stands.
    """
    report = report or Reporter()
    keep_freed_memory()
    place = pick_device(device)
    runs = runs_root(root)
    context_of = contexts(runs, place, report)
    recipe = check(recipe)
    recipe = resolve(recipe, context_of(recipe))
    run = find(recipe, runs)
    if run is None or not (run.finished or run.checkpoint.exists()):
        rehearse(recipe, context_of)
    return _run(recipe, runs, context_of, report, wait)


def check_recipe(recipe: Recipe, root: Path | str = "runs", device: str = "auto") -> list[Estimate | Run]:
    """Rehearse a recipe and say what its training will be like, without training anything; no file of data is read.

    Returns:
        An estimate for each recipe that would be trained, starts and teachers first and the recipe itself last; the
        run of one that has run already in its place.

    Raises:
        InputError: it cannot be run as it is.
    """
    keep_freed_memory()
    runs = runs_root(root)
    context_of = contexts(runs, pick_device(device), Reporter())
    recipe = check(recipe)
    recipe = resolve(recipe, context_of(recipe))
    rehearse(recipe, context_of)
    found: dict[str, Estimate | Run] = {}

    def look(one: Recipe) -> None:
        run = find(one, runs)
        if run is not None and run.finished:
            found[one.hash] = run
        elif one.hash not in found:
            for part in one.parts:
                for inner in recipes_in(part):
                    look(inner)
            found[one.hash] = estimate(one, context_of(one))

    look(recipe)
    return list(found.values())


def smoke_recipe(recipe: Recipe, device: str = "auto") -> None:
    """See `spikedistill.runs.rehearse.smoke`, of a recipe as it is written; published data are not missed.

    Raises:
        InputError: it cannot be trained.
    """
    context_of = contexts(Path(), pick_device(device), Reporter())
    recipe = check(everywhere(recipe, lambda one: replace(one, data=one.data.without_files())))
    smoke(resolve(recipe, context_of(recipe)), context_of)


def _run(recipe: Recipe, runs: Path, context_of: ContextOf, report: Reporter, wait: bool = True) -> Run:
    """Return the finished run of a resolved recipe that has been rehearsed; see `train_recipe`."""
    run = find(recipe, runs)
    if run is None or not run.finished or run.checkpoint.exists():
        with locked(recipe, runs, report, wait), said_in_a_line(recipe.name):
            run = begin(recipe, runs)
            state_files.remove_partial_files(run.folder)
            if not run.finished:
                _finish(run, context_of(recipe), report)
                return run
            run.checkpoint.unlink(missing_ok=True)  # a process was killed at the very end
    compare_teacher(run, context_of(recipe))
    report.say(f"{run.folder} has run already.")
    return run


def check(recipe: Recipe) -> Recipe:
    """Return the recipe as it is saved.

    Raises:
        InputError: a value is of the wrong type, or the parts do not fit together.
    """
    recipe = from_json(Recipe, to_json(recipe, leave_out=(UNUSED,)), "recipe")
    recipe = everywhere(recipe, lambda one: replace(one, data=one.data.with_facts()))
    method = recipe.method
    if method.needs_teacher and recipe.teacher is None:
        raise InputError(
            f"The method {method.name} needs a teacher, and the recipe names none. Name one: --teacher with a recipe, "
            "a run's folder, or package.module:callable."
        )
    if recipe.teacher is not None and not method.needs_teacher:
        raise InputError(f"The method {method.name} has no use for a teacher. Leave the teacher out: --teacher none.")
    check_cache(recipe)
    if recipe.data.steps not in (None, recipe.steps):
        other = f"--data.frames {recipe.steps}" if hasattr(recipe.data, "frames") else "make other frames of the events"
        raise InputError(
            f"steps is {recipe.steps}, and {recipe.data.name} are frames of {recipe.data.steps} time steps. "
            f"Take --steps {recipe.data.steps}, or {other}."
        )
    if "rate" in (recipe.backward, *(phase.backward for phase in recipe.phases)):
        check_rates(recipe)
    if recipe.teacher is not None:
        check_classes(recipe.teacher, recipe)
    return recipe


def check_classes(teacher: Teacher, student: Recipe) -> None:
    """Raise InputError where a teacher is to be trained on other classes than the student has."""
    for inner in teacher.inner():
        if isinstance(inner, Teacher):
            check_classes(inner, student)
        elif inner.data.classes != student.data.classes:
            raise InputError(
                f"The teacher was made for {inner.data.classes} classes ({inner.data.name}), the student has "
                f"{student.data.classes} ({student.data.name}). Take a teacher that was trained on the same classes."
            )


def check_cache(recipe: Recipe) -> None:
    """Raise InputError where stored answers are asked for that cannot be."""
    if recipe.cache and recipe.teacher is None:
        raise InputError("--cache stores what a teacher answers, and the recipe names none. Leave the cache out.")
    if recipe.cache and recipe.method.teacher_taps:
        raise InputError(
            f"The method {recipe.method.name} reads activations of its teacher "
            f"({', '.join(recipe.method.teacher_taps)}), and --cache stores logits alone. Leave the cache out."
        )


def check_rates(recipe: Recipe) -> None:
    """Raise InputError where a backward pass on rates is asked for, and the neuron has none or the loss judges steps.

    Of methods that read activations, or networks when they are built, nothing is known before there are any.
    """
    method, neuron = recipe.method, recipe.neuron
    if "neuron" in recipe.unused:
        raise InputError(
            f"The model {recipe.model.name} has neurons of its own, which go back through time. Take --backward time."
        )
    if neuron.spiking and not neuron.rates:
        raise InputError(
            f"{type(neuron).__name__} has no backward pass on rates. Take --backward time, or --neuron lif."
        )
    if method.student_taps or method.teacher_taps:
        return
    generator = torch.Generator().manual_seed(0)
    shape = (max(recipe.steps, 2), 2, recipe.data.classes)
    logits = torch.randn(shape, generator=generator).requires_grad_()
    teacher = Signals(torch.randn((1, *shape[1:]), generator=generator)) if method.needs_teacher else None
    student = Signals(logits)
    try:
        module = method.build(Side(None, student), None if teacher is None else Side(None, teacher))
    except AttributeError:  # it is made for networks, and there are none yet
        return
    draws = (Draws(0, 0, torch.arange(shape[1])),) if method.draws else ()
    losses = module(student, teacher, torch.zeros(shape[1], dtype=torch.int64), *draws)
    (grad,) = torch.autograd.grad(method.total(losses), logits)
    if not torch.allclose(grad, grad[:1].expand_as(grad)):
        raise InputError(
            f"The method {method.name} judges single time steps, and --backward rate knows only their mean. "
            "Take --backward time, or a method that judges the mean of the logits over time."
        )


def resolve(recipe: Recipe, context: Context) -> Recipe:
    """Return the recipe with everything said that depends on the machine or on files."""
    recipe = replace(recipe, precision=resolve_precision(recipe.precision, context.device))
    start = tuple(one.resolve(context) for one in recipe.start)
    model = recipe.model.resolve(recipe.seed)
    return replace(recipe, model=model, start=start, teacher=recipe.teacher and recipe.teacher.resolve(context))


def contexts(root: Path, device: torch.device, report: Reporter) -> ContextOf:
    """Return what gives the teacher of a recipe what it needs to be loaded: its recipe is trained in the same root."""
    made: dict[str, object] = {}

    def context_of(recipe: Recipe) -> Context:
        def train(teacher: Recipe) -> Trained:
            run = _run(everywhere(teacher, with_root(recipe.data.root)), root, context_of, report)
            return Trained(run.recipe, run.network())

        return Context(
            data=recipe.data,
            device=device,
            precision=resolve_precision(recipe.precision, device),
            taps=recipe.method.teacher_taps,
            train=train,
            open=open_trained,
            resolve=resolve_inner,
            made=made,
        )

    def resolve_inner(inner: Recipe) -> Recipe:
        inner = check(inner)
        return resolve(inner, context_of(inner))

    return context_of


def open_trained(folder: str) -> Trained:
    """Return the network in the folder of a finished run. Raises InputError where there is none."""
    run = open_run(folder)
    return Trained(run.recipe, run.network())


def _finish(run: Run, context: Context, report: Reporter) -> None:
    """Train to the end, then write weights and numbers; damaged data are found before a teacher is trained."""
    recipe, device = run.recipe, context.device
    splits = recipe.data.load().to(device)
    starts = load_starts(run, context)
    teacher = load_teacher(run, context, splits.train, report)

    def write_log(state: TrainingState) -> None:
        lines = "".join(json.dumps(record) + "\n" for record in state.records)
        write_atomically(run.folder / "log.jsonl", lines.encode())

    kernels = record_kernels(run, in_use(device.type), report)
    report.header(describe(recipe, device, parameters_of(recipe)), run.records)
    task = Task(recipe, splits, teacher, device, run.folder, write_log, starts)
    state = loop.train_network(task, report)
    with as_evaluated(task, state) as network:
        result = accuracy(network, splits.test, recipe.data, recipe.steps, task.recipe.precision)
        state_files.save(run.folder / "weights.safetensors", dict(network.state_dict()))
    write_json(run.folder / "metrics.json", numbers(run, state, result, splits) | {"kernels": kernels})
    task.checkpoint.unlink()  # last: a run that is killed before it loses nothing


def load_starts(run: Run, context: Context) -> tuple[Callable[[Network, Before], None], ...]:
    """Return what is done to the student before its first step.

    A run that goes on has its weights, so the networks that it started from are not missed.

    Raises:
        InputError: what one names is not there.
    """
    begun = run.checkpoint.is_file()
    return tuple(one.load(context) for one in run.recipe.start if not (begun and one.inner()))


def load_teacher(run: Run, context: Context, split: Split, report: Reporter) -> LoadedTeacher | None:
    """Return the teacher of a run, looked at: the one that is asked in each step, or its stored answers.

    Raises:
        InputError: it is not there, cannot take these images, answers with other classes, or otherwise than before.
    """
    recipe = run.recipe
    if recipe.teacher is None:
        return None
    teacher: LoadedTeacher = recipe.teacher.load(context)
    check_answers(teacher, next(split.in_order(2)))
    kept = run.folder / TEACHER
    if recipe.teacher.foreign and kept.is_file():
        compare_answers(kept, teacher, context.device, context.precision)
    elif recipe.teacher.foreign:
        keep_answers(kept, teacher, split)
    return open_store(recipe, split, teacher, report) if recipe.cache else teacher


def compare_teacher(run: Run, context: Context) -> None:
    """Compare what the teacher of a finished run says with what it said, where its own code decides that.

    A teacher that is gone is not missed: the run is finished.

    Raises:
        InputError: it says something else now.
    """

    def find_trained(teacher: Recipe) -> Trained:
        there = find(teacher, run.folder.parent)
        if there is None or not there.finished:
            raise InputError("It is not trained again to look at a run that is finished.")
        return Trained(there.recipe, there.network())

    kept = run.folder / TEACHER
    if run.recipe.teacher is None or not run.recipe.teacher.foreign or not kept.is_file():
        return
    try:
        teacher = run.recipe.teacher.load(replace(context, taps=(), train=find_trained))
    except InputError:
        return
    compare_answers(kept, teacher, context.device, context.precision)


def with_root(root: str) -> Callable[[Recipe], Recipe]:
    """A change of recipes: data below `root`, where a recipe names no folder of its own; it is the same run."""
    return lambda recipe: recipe if recipe.data.root else replace(recipe, data=replace(recipe.data, root=root))


def parameters_of(recipe: Recipe) -> int:
    """Return how many numbers a recipe's network learns."""
    network = recipe.model.build(recipe.data.shape, recipe.data.classes, recipe.neuron, recipe.norm)
    return sum(parameter.numel() for parameter in network.parameters())


def numbers(run: Run, state: TrainingState, result: Accuracy, splits: Splits) -> dict[str, Any]:
    """Return what metrics.json says of a finished run."""
    recipe = run.recipe
    chosen_by = "accuracy" if splits.validation is None else "validation_accuracy"
    evaluated = [record for record in state.records if chosen_by in record]
    best = max(evaluated, key=lambda record: float(record[chosen_by]))
    images = sum(record["images"] for record in state.records)
    held_out = {}
    if splits.validation is not None:
        held_out = {
            "validation_accuracy": state.records[-1]["validation_accuracy"],
            "accuracy_best_weights": BEST_WEIGHTS,
        }
    return {
        "accuracy": result.final,
        "accuracy_best": best["accuracy"],
        "accuracy_best_epoch": best["epoch"],
        "accuracy_best_chosen_on": "test" if splits.validation is None else "validation",
        **held_out,
        "accuracy_by_step": result.by_step,
        "accuracy_cumulative": result.cumulative,
        "parameters": sum(p.numel() for p in state.student.parameters()),
        "seconds": state.seconds,
        "images_per_second": images / state.seconds,
        "seed": recipe.seed,
        "versions": versions(),
    }
