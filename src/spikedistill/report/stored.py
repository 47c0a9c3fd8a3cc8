"""What is stored of runs, as plain values; what cannot be read is listed with the reason instead.

Files come from outside: a log may end in the middle of a line, metrics may hold NaN, an evaluation may be of another
version. None of that keeps the other runs from being shown.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from spikedistill.errors import InputError
from spikedistill.recipe import Recipe
from spikedistill.runs.evaluation import evaluations
from spikedistill.runs.folder import Run, open_run


@dataclass(frozen=True)
class Stored:
    """A run as its folder has it."""

    folder: Path
    recipe: Recipe
    metrics: dict[str, Any] = field(default_factory=dict)
    """Of metrics.json; nothing where the run is not finished."""
    log: tuple[dict[str, Any], ...] = ()
    """A record of each epoch."""
    evaluations: tuple[dict[str, Any], ...] = ()
    """Entries of evaluation.json."""
    versions: dict[str, str] = field(default_factory=dict)
    kernels: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """What of it could not be read, and why."""

    @cached_property
    def hash(self) -> str:
        """The recipe's, worked out once."""
        return self.recipe.hash

    @property
    def finished(self) -> bool:
        """Whether it has an accuracy."""
        return number(self.metrics.get("accuracy")) is not None

    @property
    def state(self) -> str:
        """`finished`, or how far it has come."""
        if self.finished:
            return "finished"
        return f"unfinished, {len(self.log)} of {self.recipe.epochs} epochs" if self.log else "unfinished"

    def entries(self, what: str) -> list[dict[str, Any]]:
        """Return what was measured under a name: that of the run as it is on test images at its own T comes first."""
        found = [one for one in self.evaluations if one.get("what") == what]
        own = (self.recipe.time_steps, self.recipe.steps)
        return sorted(
            found,
            key=lambda one: (
                bool(one.get("reestimated")),
                one.get("weights", "last") != "last",
                one.get("split", "test") != "test",
                one.get("steps", own[0]) not in own,
            ),
        )


@dataclass(frozen=True)
class Unread:
    """A folder that is not shown as a run, and why."""

    folder: Path
    reason: str


def number(value: Any) -> float | None:
    """Return a finite number; None for anything else, NaN and infinities too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        finite = float(value)
    except OverflowError:
        return None
    return finite if math.isfinite(finite) else None


def numbers_in(values: Any) -> list[float | None]:
    """Return the entries of a list as `number` does; nothing of anything else."""
    return [number(value) for value in values] if isinstance(values, list | tuple) else []


def run_folders_below(folder: Path) -> Iterator[Path]:
    """Yield the folders of runs in a folder, at any depth, in the order of their names; hidden ones are left out."""
    for place, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if "run.json" in files or "recipe.json" in files:
            inner.clear()
            yield Path(place)


def read_all(folders: Iterable[Path]) -> tuple[list[Stored], list[Unread]]:
    """Read folders of runs, each once; of two folders with the same recipe the first that is finished counts."""
    shown: dict[str, Stored] = {}
    unread: list[Unread] = []
    for folder in dict.fromkeys(_real(folder) for folder in folders):
        try:
            run = read(folder)
        except InputError as error:
            unread.append(Unread(folder, str(error)))
            continue
        other = shown.get(run.hash)
        if other is None or (run.finished and not other.finished):
            shown[run.hash] = run
        double = run if other is not None and shown[run.hash] is other else other
        if double is not None:
            kept = shown[run.hash].folder
            unread.append(
                Unread(double.folder, f"It has the same recipe as {kept}, which is shown: a run counts once.")
            )
    return list(shown.values()), unread


def _real(folder: Path) -> Path:
    """Return one name for a folder that may be named in several ways, relative where it lies below this one."""
    real, here = Path(os.path.realpath(folder)), Path(os.path.realpath("."))
    return real.relative_to(here) if real.is_relative_to(here) and real != here else real


def read(folder: Path) -> Stored:
    """Return what is stored of a run.

    Raises:
        InputError: the folder is no run's, is of another version, or its recipe is damaged.
    """
    run = open_run(folder)
    problems: list[str] = []
    metrics: dict[str, Any] = {}
    if os.path.lexists(folder / "metrics.json"):
        try:
            metrics = run.metrics
        except InputError as error:
            problems.append(str(error))
        else:
            if number(metrics.get("accuracy")) is None:
                problems.append(f"{folder / 'metrics.json'} has no accuracy that is a number.")
    try:
        measured = evaluations(run)
    except InputError as error:
        measured = []
        problems.append(str(error))
    info = _info(run)
    return Stored(
        folder,
        run.recipe,
        metrics,
        tuple(_log(folder / "log.jsonl", problems)),
        tuple(measured),
        {str(name): str(value) for name, value in info["versions"].items()},
        tuple(map(str, _sequence(info.get("kernels")))),
        tuple(problems),
    )


def _info(run: Run) -> dict[str, Any]:
    """Return run.json, which `open_run` has found to be in order."""
    info: dict[str, Any] = json.loads((run.folder / "run.json").read_text())
    return info


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _log(path: Path, problems: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the records of a log that can be read; says how many cannot."""
    if not os.path.lexists(path):
        return
    try:
        lines = path.read_text().splitlines()
    except (OSError, ValueError) as error:
        problems.append(f"{path} cannot be read: {error}.")
        return
    damaged = 0
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict) and number(record.get("epoch")) is not None:
            yield record
        else:
            damaged += 1
    if damaged:
        problems.append(f"{path}: {damaged} of {len(lines)} lines cannot be read; the others are shown.")
