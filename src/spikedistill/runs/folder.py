"""Run folders: everything about a result in one folder, named after the recipe's hash.

recipe.json              the resolved recipe
run.json                 format, versions, commit and machine that began it
log.jsonl                one line per finished epoch
checkpoint.safetensors   the whole state of an unfinished run
weights.safetensors      the network of a finished run
metrics.json             its numbers; a run that has this is finished
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import spikedistill
from spikedistill.errors import InputError
from spikedistill.machine import state_files
from spikedistill.machine.progress import Reporter
from spikedistill.machine.state_files import FORMAT, write_atomically
from spikedistill.models import Network
from spikedistill.recipe import Recipe
from spikedistill.runs.provenance import versions
from spikedistill.values.plain import UnknownKindError, digest, from_json, to_json


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
        metrics = _read_json(self.folder / "metrics.json")
        if not isinstance(metrics, dict):
            raise InputError(f"{self.folder / 'metrics.json'} is damaged. Delete the run's folder to train it again.")
        return metrics

    def network(self) -> Network:
        """Return the trained network of a finished run, on the CPU, in eval mode.

        Raises:
            InputError: the run is not finished, or its files are missing or damaged.
        """
        _ = self.metrics
        network = self.recipe.model.build(self.recipe.data.shape, self.recipe.data.classes, self.recipe.neuron)
        weights = self.folder / "weights.safetensors"
        try:
            network.load_state_dict(state_files.load(weights))
        except (RuntimeError, TypeError) as error:
            raise InputError(f"{weights} is of another network than {self.folder / 'recipe.json'} says.") from error
        return network.eval()


def open_run(folder: Path) -> Run:
    """Return the run in a folder.

    Raises:
        InputError: there is none, it is of another version, or its recipe is damaged.
    """
    if not (folder / "run.json").is_file():
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
        return Run(folder, from_json(Recipe, _read_json(folder / "recipe.json"), "recipe"))
    except UnknownKindError as error:
        raise InputError(f"{folder}: {error} If it is a class of your own, name its file: --import FILE.py.") from error
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error


def begin(recipe: Recipe, root: Path) -> Run:
    """Return the run of a resolved recipe; its folder is made where it is not there yet.

    The hash decides which folder it is: a recipe that has run under another name is not run again.

    Raises:
        InputError: the folder is damaged, of another version, or of another recipe with the same hash.
    """
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is not a folder. Name another one for the runs: --runs DIR.")
    own = root / f"{recipe.name}-{recipe.hash}"
    others = [info.parent for info in sorted(root.glob(f"*-{recipe.hash}/run.json"))]
    run = Run(others[0] if others and own not in others else own, recipe)
    if not (run.folder / "run.json").is_file():
        write_json(run.folder / "recipe.json", to_json(recipe))
        write_json(run.folder / "run.json", {"format": FORMAT, "versions": versions()})
    elif digest(open_run(run.folder).recipe) != digest(recipe):
        raise InputError(f"The recipe in {run.folder} has been changed since that run began. Move the folder away.")
    return run


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people, atomically."""
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


@contextlib.contextmanager
def locked(run: Run, report: Reporter) -> Iterator[None]:
    """One process at a time in a run's folder; the others wait."""
    lock = FileLock(run.folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report.say(f"Another process is training {run.folder}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is missing or damaged ({error}). Delete the run's folder to train it again."
        ) from error
