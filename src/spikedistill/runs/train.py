"""Train a recipe in its run folder: the finished run that is there, the interrupted one resumed, or a new one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from spikedistill.data.split import Splits
from spikedistill.evaluate.accuracy import Accuracy, accuracy
from spikedistill.kernels.choice import in_use
from spikedistill.machine import state_files
from spikedistill.machine.allocator import keep_freed_memory, said_in_a_line
from spikedistill.machine.device import pick_device, resolve_precision
from spikedistill.machine.progress import Reporter
from spikedistill.machine.state_files import write_atomically
from spikedistill.recipe import Recipe, everywhere, recipes_in
from spikedistill.runs.checks import check
from spikedistill.runs.describe import describe
from spikedistill.runs.folder import Run, begin, find, locked, open_run, record_kernels, runs_root, write_json
from spikedistill.runs.provenance import versions
from spikedistill.runs.rehearse import ContextOf, Estimate, estimate, rehearse, smoke
from spikedistill.runs.teachers import compare_teacher, load_starts, load_teacher, open_trained, with_root
from spikedistill.teachers.context import Context, Trained
from spikedistill.training import loop
from spikedistill.training.norms import as_evaluated
from spikedistill.training.state import TrainingState
from spikedistill.training.task import BEST_WEIGHTS, Task

__all__ = ["Run", "open_run", "train_recipe"]


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
    report.already(run.folder)
    return run


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
    report.header(run.folder, describe(recipe, device, parameters_of(recipe)), run.records)
    task = Task(recipe, splits, teacher, device, run.folder, write_log, starts)
    state = loop.train_network(task, report)
    with as_evaluated(task, state) as network:
        result = accuracy(network, splits.test, recipe.data, recipe.steps, task.recipe.precision)
        state_files.save(run.folder / "weights.safetensors", dict(network.state_dict()))
    write_json(run.folder / "metrics.json", numbers(run, state, result, splits) | {"kernels": kernels})
    task.checkpoint.unlink()  # last: a run that is killed before it loses nothing


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
