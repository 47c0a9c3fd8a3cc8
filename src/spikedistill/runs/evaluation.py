"""evaluation.json: what a finished run was measured to be, beside metrics.json.

    {"schema": 1, "evaluations": [{"what": "energy", "steps": 4, "split": "test", "weights": "last", ...}, ...]}

An evaluation says what was measured, on which images, by which versions on which machine. One that is made again takes
the place of the one before; one at another T, split or weights, or of another sample, stands beside it.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

from filelock import FileLock

from spikedistill.errors import InputError, NotSavedError
from spikedistill.runs.folder import LOCKS, Run, make_folder, write_json
from spikedistill.runs.provenance import versions

FILE = "evaluation.json"
SCHEMA = 1
KEY = ("what", "steps", "split", "weights", "reestimated", "index")


def evaluations(run: Run) -> list[dict[str, Any]]:
    """Return what has been measured of a run; nothing where there is no file.

    Raises:
        InputError: the file is damaged, or of another schema.
    """
    path = run.folder / FILE
    if not os.path.lexists(path):
        return []
    try:
        content = json.loads(path.read_text())
        found, schema = content["evaluations"], content["schema"]
        sound = isinstance(found, list) and all(isinstance(one, dict) and "what" in one for one in found)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        sound, schema, found = False, None, []
    if schema is not None and schema != SCHEMA:
        raise InputError(f"{path} has schema {schema}; this version reads {SCHEMA}. Move it away and evaluate again.")
    if not sound:
        raise InputError(f"{path} is damaged. Delete it and evaluate the run again; the run itself is not touched.")
    return list(found)


def record(run: Run, evaluation: dict[str, Any]) -> None:
    """Add an evaluation to those of a run. One that only says what the problem is takes no other's place.

    Raises:
        InputError: see `evaluations`.
        NotSavedError: the file cannot be written.
    """
    stamped = evaluation | {"versions": versions()}
    with _locked(run):
        before = evaluations(run)
        others = [one for one in before if any(one.get(name) != stamped.get(name) for name in KEY)]
        if "problem" in stamped and any("problem" not in one for one in before if one not in others):
            return
        write_json(run.folder / FILE, {"schema": SCHEMA, "recipe": run.recipe.hash, "evaluations": [*others, stamped]})


@contextlib.contextmanager
def _locked(run: Run) -> Iterator[None]:
    """One process at a time adds to a run's evaluations; the others wait."""
    path = run.folder.parent / LOCKS / f"{run.folder.name}.evaluation.lock"
    make_folder(path.parent)
    lock = FileLock(path)
    try:
        lock.acquire()
    except OSError as error:
        raise NotSavedError(f"{path} cannot be locked: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def measured(run: Run) -> dict[str, dict[str, Any]]:
    """Return what was measured of a run's last weights on its test images at its own T, by what it is."""
    own = {"split": "test", "weights": "last"}
    return {
        one["what"]: one
        for one in evaluations(run)
        if own.items() <= one.items()
        and one.get("steps") in (run.recipe.steps, 1)
        and not {"reestimated", "problem"} & one.keys()
    }
