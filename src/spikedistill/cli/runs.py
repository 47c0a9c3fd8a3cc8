"""`spikedistill runs`: what lies in a folder of runs, away with some of it, and two runs beside each other."""

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from spikedistill.cli.cache import megabytes
from spikedistill.cli.parser import Parser, default_runs
from spikedistill.cli.run_folders import run_folders
from spikedistill.cli.shown import print_table
from spikedistill.errors import InputError
from spikedistill.machine.terminal import printable
from spikedistill.values.plain import parse_json

FILES = frozenset(
    {f"{name}.json" for name in ("recipe", "run", "metrics", "evaluation")}
    | {f"{name}.safetensors" for name in ("checkpoint", "teacher", "weights", "weights-best")}
    | {"log.jsonl", "tensorboard"}
)
"""All that a run's folder holds."""
HASH_DIGITS = 10
DECIDES = ("accuracy", "accuracy_best", "accuracy_best_epoch", "accuracy_top5", "parameters", "seconds")
"""Numbers of metrics.json that two runs are compared by."""


@dataclass(frozen=True)
class Listed:
    """A folder that says it is a run. What cannot be read of it is empty: it is listed all the same."""

    folder: Path
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    info: dict[str, Any]
    epochs: int
    """That its log has."""

    @property
    def state(self) -> str:
        """`finished`, `running`, `stopped`, `begun`, or what is wrong."""
        if not self.info or not self.recipe:
            return "damaged"
        if self._locked():
            return "running"
        if self.metrics:
            return "finished" if (self.folder / "weights.safetensors").is_file() else "without weights"
        return "stopped" if (self.folder / "checkpoint.safetensors").is_file() else "begun"

    @property
    def accuracy(self) -> float | None:
        """After the last epoch; None where it is not finished."""
        value = self.metrics.get("accuracy")
        return float(value) if isinstance(value, int | float) else None

    @property
    def files(self) -> list[Path]:
        """All of them, below too."""
        return [path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def last_change(self) -> float:
        """Seconds since 1970."""
        return max((path.stat().st_mtime for path in self.files), default=self.folder.stat().st_mtime)

    @property
    def known_as(self) -> tuple[object, object]:
        """Name and seed."""
        return self.recipe.get("name"), self.recipe.get("seed")

    @property
    def learned_from(self) -> set[tuple[object, object]]:
        """Names and seeds of the recipes that it was taught by, or started from."""
        return {(one.get("name"), one.get("seed")) for one in _recipes(self.recipe) if one is not self.recipe}

    def delete(self) -> None:
        """Remove it.

        Raises:
            InputError: a process trains it, it holds files that are no run's, or it is a link.
        """
        if self.folder.is_symlink():
            raise InputError(f"{self.folder} is a link. Delete it yourself, or name the folder that it leads to.")
        others = sorted(path.name for path in self.folder.iterdir() if not _is_of_a_run(path.name))
        if others:
            raise InputError(
                f"{self.folder} holds what is none of a run's: {', '.join(others[:3])}. Move that away, or delete the "
                "folder yourself."
            )
        if self._locked():
            raise InputError(f"{self.folder} is being trained. Stop that first.")
        (self.folder / "metrics.json").unlink(missing_ok=True)  # first: half a folder is no finished run
        shutil.rmtree(self.folder)

    def _locked(self) -> bool:
        """Whether a process works on it."""
        file = self.folder.parent / ".locks" / f"{str(self.info.get('recipe', ''))[:HASH_DIGITS]}.lock"
        if not file.is_file():
            return False
        try:
            with FileLock(file, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # a folder of somebody else's, or one that cannot be written
            return False


def runs_command(words: list[str]) -> int:
    """Runs in a folder: state, accuracy, age and size; delete some, compare two."""
    parser = Parser(
        prog="spikedistill runs",
        description=f"{runs_command.__doc__} A stopped run goes on with the command that began it.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", nargs="?", help="folder of run folders; SPIKEDISTILL_RUNS or runs")
    parser.add_argument("--json", action="store_true", help="print JSON: a list with an entry for each run")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--delete", metavar="RUN", nargs="+", help="delete these runs; asks first")
    what.add_argument("--compare", metavar="RUN", nargs=2, help="where two runs' recipes differ, and their numbers")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    given = parser.parse(words)
    root = Path(given.folder or default_runs())
    if given.compare:
        _compare(_named(root, given.compare), given.json)
    elif given.delete:
        _delete(_named(root, given.delete), _all(root), given.yes)
    else:
        _list(root, _all(root), given.json)
    return 0


def look(folder: Path) -> Listed:
    """Return what a run's folder says, whatever state it is in."""
    recipe, metrics, info = (_read(folder / f"{name}.json") for name in ("recipe", "metrics", "run"))
    try:
        epochs = len((folder / "log.jsonl").read_bytes().splitlines())
    except OSError:
        epochs = 0
    return Listed(folder, recipe, metrics, info, epochs)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_bytes())
    except (OSError, InputError):
        return {}
    return content if isinstance(content, dict) else {}


def _all(root: Path) -> list[Listed]:
    if not root.is_dir():
        raise InputError(f"{root} is not a folder. Name the folder of the runs: spikedistill runs DIR.")
    return [look(path.parent) for path in sorted(root.glob("*/run.json"))]


def _named(root: Path, words: Sequence[str]) -> list[Listed]:
    """Return the runs of these folders' paths, patterns of paths, or names in the folder of runs."""
    inside = [root / word for word in words]
    paths = [str(path if (path / "run.json").is_file() else word) for path, word in zip(inside, words, strict=True)]
    for folder in (folders := run_folders(paths)):
        if not (folder / "run.json").is_file():
            raise InputError(f"{folder} is no run's folder: it has no run.json. `spikedistill runs {root}` lists runs.")
    return [look(folder) for folder in folders]


def _is_of_a_run(name: str) -> bool:
    return name in FILES or (name.startswith(".") and name.endswith("partial"))


def _recipes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all recipes in a recipe's JSON, itself first."""
    if isinstance(value, dict):
        if value.get("kind") == "Recipe":
            yield value
        for inner in value.values():
            yield from _recipes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _recipes(inner)


def _list(root: Path, found: Sequence[Listed], as_json: bool) -> None:
    newest = sorted(found, key=lambda run: -run.last_change)
    if as_json:
        print(json.dumps([_about(run) for run in newest], indent=2))
        return
    if not found:
        print(printable(f"{root} holds no runs. `spikedistill train RECIPE --runs {root}` makes one."))
        return
    print_table([_row(run) for run in newest])
    states = [run.state for run in newest]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    print(f"\n{len(found)} runs ({counts}), {megabytes(sum(run.size for run in found))}")


def _about(run: Listed) -> dict[str, Any]:
    return {
        "run": str(run.folder),
        "name": run.recipe.get("name"),
        "seed": run.recipe.get("seed"),
        "state": run.state,
        "accuracy": run.accuracy,
        "epochs": run.epochs,
        "epochs_planned": run.recipe.get("epochs"),
        "bytes": run.size,
        "last_change": run.last_change,
        "evaluated": (run.folder / "evaluation.json").is_file(),
    }


def _row(run: Listed) -> dict[str, str]:
    planned = run.recipe.get("epochs", "?")
    return {
        "run": run.folder.name,
        "seed": str(run.recipe.get("seed", "")),
        "state": run.state,
        "accuracy": "" if run.accuracy is None else f"{run.accuracy:.2%}",
        "epochs": f"{run.epochs} of {planned}",
        "age": _age(time.time() - run.last_change),
        "size": megabytes(run.size),
    }


def _age(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def _delete(chosen: Sequence[Listed], there: Sequence[Listed], sure: bool) -> None:
    for run in chosen:
        learners = sum(run.known_as in one.learned_from for one in there)
        used = f"; a teacher or start of {learners} runs there" if learners else ""
        print(printable(f"{run.folder}: {run.state}, {megabytes(run.size)}{used}"))
    if not sure:
        if not sys.stdin.isatty():
            raise InputError("Nothing is deleted without --yes where nobody can be asked.")
        if input(f"Delete {len(chosen)} runs? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was deleted.")
            return
    for run in chosen:
        run.delete()
        print(printable(f"deleted {run.folder}"))


def _compare(both: Sequence[Listed], as_json: bool) -> None:
    if len(both) != 2:
        raise InputError(f"--compare takes two runs, and these are {len(both)}.")
    one, other = both
    differ = dict(_differences(one.recipe, other.recipe))
    metrics = {name: (one.metrics.get(name), other.metrics.get(name)) for name in DECIDES}
    numbers = {name: values for name, values in metrics.items() if values != (None, None)}
    if as_json:
        said = {"runs": [_about(one), _about(other)], "recipe": differ, "metrics": numbers}
        print(json.dumps(said, indent=2))
        return
    lines = differ | {"state": (one.state, other.state)} | numbers
    titles = _titles(one, other)
    print_table(
        [{"": name} | {t: _short(name, v) for t, v in zip(titles, two, strict=True)} for name, two in lines.items()]
    )


def _titles(one: Listed, other: Listed) -> tuple[str, str]:
    names = one.folder.name, other.folder.name
    return names if names[0] != names[1] else (str(one.folder), str(other.folder))


def _short(name: str, value: Any) -> str:
    """Return a value of JSON in a few words: a part by its kind."""
    if value is None:
        return ""
    if isinstance(value, dict):
        inner = value.get("recipe")
        named = f" {inner['name']}" if isinstance(inner, dict) and "name" in inner else ""
        return f"{value.get('kind', '?')}{named}"
    if isinstance(value, list):
        return ", ".join(_short(name, one) for one in value) or "none"
    if isinstance(value, float):
        return f"{value:.2%}" if name.startswith("accuracy") else f"{value:.1f}" if name == "seconds" else f"{value:g}"
    return str(value)


def _differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield where two values of JSON differ, by the paths that options have.

    A part that is there once, or of two kinds, is one difference.
    """
    if isinstance(one, dict) and isinstance(other, dict) and one.get("kind") == other.get("kind"):
        for name in dict.fromkeys([*one, *other]):
            yield from _differences(one.get(name), other.get(name), f"{path}.{name}" if path else name)
    elif one != other:
        yield path, (one, other)
