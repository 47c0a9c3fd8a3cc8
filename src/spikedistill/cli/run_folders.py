"""The folders of runs that a command is given."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from spikedistill.errors import InputError, nearest, shown


def run_folders(given: Sequence[str]) -> list[Path]:
    """Return the folders that these words name, each once; a pattern that the shell has left alone is filled in.

    Raises:
        InputError: a folder is not there, a pattern matches none, or it is a folder of runs and not a run.
    """
    folders = [folder for word in given for folder in _matching(word)]
    return list(dict.fromkeys(folders))


def _matching(word: str) -> list[Path]:
    path = Path(word)
    if os.path.isdir(path):
        _refuse_folder_of_runs(path)
        return [path]
    if os.path.exists(path):
        raise InputError(f"{shown(word)} is a file, not a run's folder. `spikedistill train` prints the folder.")
    if not glob.has_magic(word):
        raise InputError(f"There is no folder {shown(word)}.{_hint(path)} `spikedistill train` prints the folder.")
    found = [Path(match) for match in sorted(glob.glob(word)) if os.path.isfile(Path(match) / "run.json")]
    if not found:
        raise InputError(f"No run's folder matches {shown(word)}.{_hint(path)}")
    return found


def _refuse_folder_of_runs(path: Path) -> None:
    if not (path / "run.json").exists() and next(path.glob("*/run.json"), None):
        raise InputError(f"{path} is a folder of runs. Name one of them, or all: {path}/*.")


def _hint(path: Path) -> str:
    """The nearest name beside it."""
    beside = [info.parent for info in path.parent.glob("*/run.json")] if os.path.isdir(path.parent) else []
    if not beside:
        return f" There is no run in {path.parent}."
    return nearest(str(path), map(str, beside)) or f" Runs in {path.parent}: {len(beside)}."
