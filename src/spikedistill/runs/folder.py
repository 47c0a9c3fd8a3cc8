"""Run folders: everything about a result in one folder, named after the recipe's hash.

recipe.json              the resolved recipe
run.json                 format, versions, commit and machine that began it, kernels that it has run under
log.jsonl                one line per finished epoch
checkpoint.safetensors   the whole state of an unfinished run
teacher.safetensors      what a teacher that is code of the user's said of a few images when the run began
weights.safetensors      the network of a finished run
weights-best.safetensors the network after the epoch that was best on the validation split, where there is one
metrics.json             its numbers; a run that has numbers and weights is finished

Beside the runs' folders lies `.locks`, with a file per hash: one process or thread at a time works on a recipe, under
whatever name.
"""

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import spikedistill
from spikedistill.errors import Busy, InputError, NotSavedError, shown
from spikedistill.machine import state_files
from spikedistill.machine.progress import Reporter
from spikedistill.machine.state_files import FORMAT, write_atomically
from spikedistill.models import Network
from spikedistill.recipe import Recipe
from spikedistill.runs.provenance import versions
from spikedistill.values.plain import UNUSED, UnknownKindError, digest, from_json, to_json

LOCKS = ".locks"
"""Folder beside the runs' folders."""
WEIGHTS = {"last": "weights.safetensors", "best": "weights-best.safetensors"}
"""Files of a finished run's weights."""


@dataclass(frozen=True)
class Run:
    """A folder with a recipe in it."""

    folder: Path
    recipe: Recipe

    @property
    def finished(self) -> bool:
        """Whether its numbers and its weights are there."""
        return all(os.path.isfile(self.folder / name) for name in ("metrics.json", "weights.safetensors"))

    @property
    def checkpoint(self) -> Path:
        """Where the state of an unfinished run is kept."""
        return self.folder / "checkpoint.safetensors"

    @property
    def records(self) -> list[dict[str, Any]]:
        """What the log has of finished epochs that a checkpoint holds; nothing where it cannot be read."""
        try:
            lines = (self.folder / "log.jsonl").read_text().splitlines() if self.checkpoint.is_file() else []
            return [json.loads(line) for line in lines]
        except (OSError, ValueError):
            return []

    @property
    def metrics(self) -> dict[str, Any]:
        """The numbers of a finished run; its weights need not be there.

        Raises:
            InputError: the run is not finished.
        """
        if not os.path.isfile(self.folder / "metrics.json"):
            raise InputError(f"The run {self.folder} is not finished. Resume it with the command that began it.")
        metrics = _read_json(self.folder / "metrics.json")
        if not isinstance(metrics, dict):
            raise InputError(f"{self.folder / 'metrics.json'} is damaged. Delete the run's folder to train it again.")
        return metrics

    def network(self, which: str = "last") -> Network:
        """Return the trained network of a finished run, on the CPU, in eval mode.

        Args:
            which: `last`, the weights after the last epoch, or `best`, those that were best on the validation split.

        Raises:
            InputError: the run is not finished, has no such weights, or its files are missing or damaged.
        """
        if which not in WEIGHTS:
            raise InputError(f"Unknown weights {shown(which)}. Allowed: {', '.join(WEIGHTS)}.")
        _ = self.metrics
        network = self.recipe.model.build(
            self.recipe.data.shape, self.recipe.data.classes, self.recipe.neuron, self.recipe.norm
        )
        weights = self.folder / WEIGHTS[which]
        if which == "best" and not self.recipe.data.validation:
            raise InputError(f"The run {self.folder} holds out no validation split, which best weights are chosen on.")
        try:
            network.load_state_dict(state_files.load(weights))
        except (RuntimeError, TypeError, AttributeError) as error:
            raise InputError(f"{weights} is of another network than {self.folder / 'recipe.json'} says.") from error
        for name, weight in network.state_dict().items():
            if not weight.isfinite().all():
                raise InputError(f"{weights} cannot be used: the weight {name!r} is not finite.")
        return network.eval()


def open_run(folder: Path | str) -> Run:
    """Return the run in a folder.

    Raises:
        InputError: there is none, it is of another version, or its recipe is damaged or has been edited.
    """
    folder = Path(folder)
    if not os.path.isfile(folder / "run.json"):
        raise InputError(f"{folder} is not a run's folder: it has no run.json. `spikedistill train` prints the folder.")
    info = _read_json(folder / "run.json")
    if not isinstance(info, dict) or not isinstance(info.get("versions"), dict):
        raise InputError(f"{folder / 'run.json'} is damaged. Delete the run's folder to train it again.")
    if info.get("format") != FORMAT:
        raise InputError(
            f"{folder} was written by spikedistill {info['versions'].get('spikedistill')} in format "
            f"{info.get('format')}; {spikedistill.__version__} reads format {FORMAT}. Use that version, or move the "
            "folder away and train the recipe again."
        )
    try:
        recipe = from_json(Recipe, _read_json(folder / "recipe.json"), "recipe")
    except UnknownKindError as error:
        raise InputError(f"{folder}: {error} If it is a class of your own, name its file: --import FILE.py.") from error
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    if info.get("recipe", digest(recipe)) != digest(recipe):
        raise InputError(
            f"The recipe in {folder} has been changed since that run began: recipe.json is not what it was trained by. "
            "Bring the old one back, or move the folder away."
        )
    return Run(folder, recipe)


def runs_root(root: Path | str) -> Path:
    """Return the folder of run folders, which need not be there yet.

    Raises:
        InputError: it is empty, no folder, or cannot be one.
    """
    try:
        if not str(root):
            raise NotADirectoryError(errno.ENOTDIR, "it is empty")
        if not stat.S_ISDIR(os.stat(root).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "there is a file of this name")
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{shown(str(root))} is no folder for runs: {why}. Name another one: --runs DIR.") from error
    return Path(root)


def find(recipe: Recipe, root: Path) -> Run | None:
    """Return the run of a resolved recipe; None where it has not begun.

    The hash decides which folder it is: a recipe that has run under another name is not run again.

    Raises:
        InputError: the folder is damaged, of another version, or of another recipe with the same hash.
    """
    own = own_folder(recipe, root)
    begun = [own / "run.json", *sorted(root.glob(f"*-{recipe.hash}/run.json"))]
    folder = next((info.parent for info in begun if os.path.isfile(info)), None)
    if folder is None:
        return None
    if digest(open_run(folder).recipe) != digest(recipe):
        raise InputError(f"The recipe in {folder} has been changed since that run began. Move the folder away.")
    return Run(folder, recipe)


def begin(recipe: Recipe, root: Path) -> Run:
    """Return the run of a resolved recipe; its folder is made where it is not there yet. The caller has locked it.

    Raises:
        InputError: see `find`.
        NotSavedError: the folder cannot be made.
    """
    run = find(recipe, root)
    if run is None:
        run = Run(own_folder(recipe, root), recipe)
        make_folder(run.folder)
        write_json(run.folder / "recipe.json", to_json(recipe, leave_out=(UNUSED,)))
        write_json(run.folder / "run.json", {"format": FORMAT, "recipe": digest(recipe), "versions": versions()})
    return run


def record_kernels(run: Run, kernels: str, report: Reporter) -> list[str]:
    """Add the kernels that an unfinished run is about to run under to those of its earlier parts, in run.json.

    Returns:
        Those of all parts, in order, each change once.
    """
    path = run.folder / "run.json"
    info = _read_json(path)
    earlier = info.get("kernels", []) if os.path.isfile(run.checkpoint) else []  # or else nothing of them is left
    if earlier and earlier[-1] != kernels:
        report.say(
            f"{run.folder} ran under the kernels {earlier[-1]!r} and goes on under {kernels!r}: its last digits are "
            "those of neither alone. Both are recorded."
        )
    now = earlier if kernels in earlier[-1:] else [*earlier, kernels]
    write_json(path, info | {"kernels": now})
    return now


def own_folder(recipe: Recipe, root: Path) -> Path:
    """Return the folder that a recipe's run has, if it has not run under another name."""
    return root / f"{recipe.name}-{recipe.hash}"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises NotSavedError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotSavedError(f"The folder {folder} cannot be made: {error.strerror}.") from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people, atomically."""
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


@contextlib.contextmanager
def locked(recipe: Recipe, root: Path, report: Reporter, wait: bool = True) -> Iterator[None]:
    """One process or thread at a time works on a recipe; the others wait.

    Raises:
        Busy: another one does, and `wait` is off.
        NotSavedError: the lock's file cannot be made.
    """
    make_folder(root / LOCKS)
    lock = FileLock(root / LOCKS / f"{recipe.hash}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise Busy(f"Another process works on {recipe.name}.") from None
            run = find(recipe, root)
            where = own_folder(recipe, root) if run is None else run.folder
            report.say(f"Another process is training {where}; waiting for it.")
            lock.acquire()
    except OSError as error:
        raise NotSavedError(f"{lock.lock_file} cannot be locked: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def _read_json(path: Path) -> Any:
    try:
        if not os.path.isfile(path):
            raise ValueError("it is no file")
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is missing or damaged ({error}). Delete the run's folder to train it again."
        ) from error
