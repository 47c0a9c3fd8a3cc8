"""Run folders: everything about a result in one folder, named after the recipe's hash.

recipe.json              the resolved recipe
run.json                 format, versions, commit and machine that began it
log.jsonl                one line per finished epoch
checkpoint.safetensors   the whole state of an unfinished run
weights.safetensors      the network of a finished run
metrics.json             its numbers; a run that has this is finished
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

import spikedistill
from spikedistill import checkpoint, loop
from spikedistill.checkpoint import FORMAT, write_atomically
from spikedistill.data.dataset import Split, Splits
from spikedistill.errors import InputError
from spikedistill.evaluate.accuracy import Accuracy, accuracy
from spikedistill.models import Network
from spikedistill.precision import pick_device, resolve_precision
from spikedistill.progress import Reporter, Silent
from spikedistill.provenance import versions
from spikedistill.recipe import FromModule, FromRecipe, FromRun, Recipe
from spikedistill.teachers import LoadedTeacher, check_answers, freeze, import_module_teacher, pin
from spikedistill.training_state import TrainingState
from spikedistill.values import from_json, to_json


@dataclass(frozen=True)
class Run:
    """A folder with a recipe in it."""

    folder: Path
    recipe: Recipe

    @property
    def finished(self) -> bool:
        """Whether its numbers are there."""
        return (self.folder / "metrics.json").is_file()

    @property
    def metrics(self) -> dict[str, Any]:
        """The numbers of a finished run.

        Raises:
            InputError: the run is not finished.
        """
        if not self.finished:
            raise InputError(f"The run {self.folder} is not finished. Resume it with the command that began it.")
        return dict(_read_json(self.folder / "metrics.json"))

    def network(self) -> Network:
        """Return the trained network of a finished run, on the CPU, in eval mode."""
        _ = self.metrics
        network = self.recipe.model.build(self.recipe.data.shape, self.recipe.data.classes, self.recipe.neuron)
        network.load_state_dict(checkpoint.load(self.folder / "weights.safetensors"))
        return network.eval()


def open_run(folder: Path) -> Run:
    """Return the run in a folder.

    Raises:
        InputError: there is none, it is of another version, or its recipe is damaged.
    """
    if not (folder / "run.json").is_file():
        raise InputError(f"{folder} is not a run's folder: it has no run.json. `spikedistill train` prints the folder.")
    info = _read_json(folder / "run.json")
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        version, written = (info.get("version"), info.get("format")) if isinstance(info, dict) else (None, None)
        raise InputError(
            f"{folder} was written by spikedistill {version} in format {written}; {spikedistill.__version__} reads "
            f"format {FORMAT}. Use that version, or train the recipe again."
        )
    return Run(folder, from_json(Recipe, _read_json(folder / "recipe.json"), "recipe"))


def find(root: Path) -> Iterator[Run]:
    """Yield the runs below `root` that this version reads, in the order of their names."""
    for info in sorted(root.glob("*/run.json")):
        yield open_run(info.parent)


def train(recipe: Recipe, root: Path | str = "runs", device: str = "auto", report: Reporter | None = None) -> Run:
    """Return the finished run of a recipe: the one that is there, the interrupted one resumed, or a new one.

    A teacher that is a recipe is trained first if it has not been.

    Args:
        recipe: What to train.
        root: Folder of run folders.
        device: `auto`, `cpu`, `cuda`, ...
        report: Who is told how it goes; nobody if None.

    Raises:
        InputError: the recipe cannot be run as it is.
        spikedistill.loop.Stopped: the user stopped it; it can be resumed.
        spikedistill.loop.DivergedError: a loss term is not finite.
    """
    report = report or Silent()
    root = Path(root)
    place = pick_device(device)
    check(recipe)
    if recipe.method.needs_teacher is False and recipe.teacher is not None:
        raise InputError(f"The method {recipe.method.name} has no use for a teacher. Leave the teacher out.")
    recipe, teacher = resolve(recipe, root, place, report)
    run = begin(recipe, root)
    with _alone(run, report):
        if not run.finished:
            _finish(run, teacher, place, report)
    return run


def check(recipe: Recipe) -> None:
    """Raise InputError where the parts of a recipe do not fit together."""
    if recipe.method.needs_teacher and recipe.teacher is None:
        raise InputError(f"The method {recipe.method.name} needs a teacher, and the recipe names none.")
    if isinstance(recipe.teacher, FromRecipe):
        theirs, ours = recipe.teacher.recipe.data, recipe.data
        if theirs.classes != ours.classes:
            raise InputError(
                f"The teacher was made for {theirs.classes} classes ({theirs.name}), the student has {ours.classes} "
                f"({ours.name}). Take a teacher that was trained on the same classes."
            )


def resolve(recipe: Recipe, root: Path, device: torch.device, report: Reporter) -> tuple[Recipe, LoadedTeacher | None]:
    """Return the recipe with everything said that depends on the machine or on files, and its teacher, loaded."""
    recipe = replace(recipe, precision=resolve_precision(recipe.precision, device))
    asked, taps, data = recipe.teacher, recipe.method.teacher_taps, recipe.data
    if isinstance(asked, FromModule):
        teacher = import_module_teacher(asked, taps, data, device)
        named = pin(asked.weights_digest, teacher.weights_digest, f"The teacher {asked.target}")
        return replace(recipe, teacher=replace(asked, weights_digest=named)), teacher
    if isinstance(asked, FromRun):
        teacher = teacher_of_run(open_run(Path(asked.folder)), taps, device)
        named = pin(asked.weights_digest, teacher.weights_digest, f"The teacher in {asked.folder}")
        return replace(recipe, teacher=replace(asked, weights_digest=named)), teacher
    if isinstance(asked, FromRecipe):
        run = train(asked.recipe, root, str(device), report)
        return replace(recipe, teacher=FromRecipe(run.recipe)), teacher_of_run(run, taps, device)
    return recipe, None


def teacher_of_run(run: Run, taps: tuple[str, ...], device: torch.device) -> LoadedTeacher:
    """Return the network of a finished run as a teacher."""
    data = run.recipe.data
    return freeze(run.network(), taps, data.mean, data.std, run.recipe.time_steps, device)


def begin(recipe: Recipe, root: Path) -> Run:
    """Return the run of a resolved recipe; its folder is made where it is not there yet."""
    run = Run(root / recipe.folder_name, recipe)
    if (run.folder / "run.json").is_file():
        open_run(run.folder)  # refuses another version's folder
        return run
    write_json(run.folder / "recipe.json", to_json(recipe))
    write_json(run.folder / "run.json", {"format": FORMAT, "versions": versions()})
    return run


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people, atomically."""
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def _finish(run: Run, teacher: LoadedTeacher | None, device: torch.device, report: Reporter) -> None:
    """Train to the end, then write weights and numbers."""
    recipe = run.recipe
    splits = _to(recipe.data.load(), device)
    if teacher is not None:
        check_answers(teacher, splits.train, recipe.data.classes, recipe.precision == "bf16")

    def write_log(state: TrainingState) -> None:
        lines = "".join(json.dumps(record) + "\n" for record in state.records)
        write_atomically(run.folder / "log.jsonl", lines.encode())

    task = loop.Task(recipe, splits, teacher, device, run.folder, write_log)
    state = loop.train(task, report)
    steps = recipe.steps
    by_step = accuracy(state.evaluated, splits.test, recipe.data, steps, task.bf16)
    checkpoint.save(run.folder / "weights.safetensors", dict(state.evaluated.state_dict()))
    write_json(run.folder / "metrics.json", numbers(recipe, state, by_step, splits))
    task.checkpoint.unlink()


def numbers(recipe: Recipe, state: TrainingState, result: Accuracy, splits: Splits) -> dict[str, Any]:
    """Return what metrics.json says of a finished run."""
    chosen_by = "accuracy" if splits.validation is None else "validation_accuracy"
    best = max(state.records, key=lambda record: float(record[chosen_by]))
    images = len(state.records) * (len(splits.train) // recipe.batch_size) * recipe.batch_size
    return {
        "accuracy": result.final,
        "accuracy_best": best["accuracy"],
        "accuracy_best_epoch": best["epoch"],
        "accuracy_best_chosen_on": "test" if splits.validation is None else "validation",
        "accuracy_by_step": result.by_step,
        "accuracy_cumulative": result.cumulative,
        "parameters": sum(p.numel() for p in state.student.parameters()),
        "seconds": state.seconds,
        "images_per_second": images / state.seconds,
        "seed": recipe.seed,
        "versions": versions(),
    }


def _to(splits: Splits, device: torch.device) -> Splits:
    def move(split: Split) -> Split:
        return Split(split.images.to(device), split.labels.to(device))

    return Splits(move(splits.train), splits.validation and move(splits.validation), move(splits.test))


class _alone:  # noqa: N801
    """One process at a time in a run's folder; the others wait."""

    def __init__(self, run: Run, report: Reporter) -> None:
        self.lock = FileLock(run.folder / ".lock")
        self.run, self.report = run, report

    def __enter__(self) -> None:
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            self.report.say(f"Another process is training {self.run.folder}; waiting for it.")
            self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is missing or damaged ({error}). Delete the run's folder to train it again."
        ) from error
