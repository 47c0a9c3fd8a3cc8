"""What has run of a table: a cell for each row and seed, and each row's numbers beside the paper's."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from spikedistill.data.dataset import Dataset
from spikedistill.errors import InputError
from spikedistill.machine.device import pick_device
from spikedistill.machine.progress import Reporter
from spikedistill.models.size import size
from spikedistill.recipe import Recipe, everywhere
from spikedistill.runs.checks import check
from spikedistill.runs.evaluation import measured
from spikedistill.runs.folder import find
from spikedistill.runs.teachers import with_root
from spikedistill.runs.train import contexts, resolve
from spikedistill.table import Budget, Row, Table

Metrics = Mapping[str, Any]


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)


SIZES = ("weights", "parameters", "operations")
"""Columns of what is the same for all seeds."""
COLUMNS: dict[str, Callable[[Recipe, Metrics], float]] = {
    "weights": lambda _recipe, metrics: metrics["parameters"],
    "parameters": lambda _recipe, metrics: metrics["parameters"] / 1e6,
    "operations": lambda recipe, _metrics: (
        size(recipe.model, recipe.data.shape, recipe.data.classes).published_ops / 1e6
    ),
    "mean of steps": lambda _recipe, metrics: 100 * mean(metrics["accuracy_by_step"]),
    "spread of steps": lambda _recipe, metrics: 100 * _spread(metrics["accuracy_by_step"]),
    "minutes": lambda _recipe, metrics: metrics["seconds"] / 60,
    "seconds a batch": lambda recipe, metrics: recipe.batch_size / metrics["images_per_second"],
    "validation": lambda _recipe, metrics: 100 * metrics["validation_accuracy"],
    "rate": lambda _recipe, metrics: 100 * metrics[MEASURED]["energy"]["firing_rate"],
    "spikes": lambda _recipe, metrics: metrics[MEASURED]["energy"]["spikes"] / 1e6,
    "energy": lambda _recipe, metrics: _counted(metrics, "exact")["energy_mj"]["45nm-fp32"],
    "ACs": lambda _recipe, metrics: _counted(metrics, "exact")["acs"] / 1e6,
    "MACs": lambda _recipe, metrics: _counted(metrics, "exact")["macs"] / 1e6,
    "synops": lambda _recipe, metrics: _counted(metrics, "exact")["synops"] / 1e6,
    "syops energy": lambda _recipe, metrics: _counted(metrics, "syops")["energy_mj"]["45nm-fp32"],
    "syops ACs": lambda _recipe, metrics: _counted(metrics, "syops")["acs"] / 1e6,
    "syops MACs": lambda _recipe, metrics: _counted(metrics, "syops")["macs"] / 1e6,
    "syops OPs": lambda _recipe, metrics: _counted(metrics, "syops")["dense"] / 1e6,
    "teacher": lambda _recipe, metrics: _of_teacher(metrics),
    "pruned teacher": lambda _recipe, metrics: _of_teacher(metrics),
    "agreement": lambda _recipe, metrics: 100 * metrics[MEASURED]["agreement"]["agreement"],
    "ECE": lambda _recipe, metrics: 100 * metrics[MEASURED]["calibration"]["ece"],
}
"""What a table can show of a finished run beside its accuracy; also `T = 2`, the accuracy after so many steps, and
`step 2`, that of this time step's output alone, over all of which there are a mean and a spread.

`parameters` and `operations` (those of the ANN for one image and step, as papers count them) are in millions, `weights`
are parameters too, one by one; accuracies are in per cent. From `rate` on they are what `evaluate --what energy` has
measured: firing rate in per cent; of an image spikes and operations in millions, energy in mJ (45 nm, fp32), by the
convention `exact` or, where the name says so, `syops` (docs/energy.md). From `teacher` on they are what `--what
agreement` and `calibration` have measured, in per cent. `seconds a batch` are those of training.
"""
MEASURED = "measured"


def _of_teacher(metrics: Metrics) -> float:
    """Accuracy in per cent, on the student's images."""
    return 100 * float(metrics[MEASURED]["agreement"]["teacher"]["accuracy"])


def _counted(metrics: Metrics, convention: str) -> dict[str, Any]:
    counted: dict[str, Any] = metrics[MEASURED]["energy"]["conventions"][convention]
    return counted


BY_STEP = {"T =": "accuracy_cumulative", "step": "accuracy_by_step"}
NUMBERED = re.compile(rf"({'|'.join(BY_STEP)}) (\d+)")


@dataclass(frozen=True)
class Cell:
    """A row with a seed."""

    row: Row
    seed: int
    recipe: Recipe | None
    """Resolved; None where the row is quoted, or cannot be run."""
    problem: str = ""
    """Why it cannot be run."""


@dataclass(frozen=True)
class Found:
    """What lies in the folder of runs of a cell."""

    state: str
    """`done`, `begun` or `missing`."""
    metrics: dict[str, Any] | None = None
    folder: Path | None = None


def cells(
    table: Table,
    rows: Sequence[Row],
    seeds: Sequence[int],
    root: Path,
    budget: Budget = "paper",
    device: str = "auto",
    data_root: str = "",
    cache: str = "",
) -> list[Cell]:
    """Return a cell for each row and seed, all rows with the first seed first; quoted rows have none.

    A recipe that cannot be run gives a cell that says why: the others are not stopped by it.

    Args:
        table: See `Table`.
        rows: Of the table.
        seeds: Of the runs.
        root: Folder of run folders.
        budget: `paper` or `cpu`.
        device: `auto`, `cpu`, `cuda`, ...
        data_root: Folder of the data's files, where recipes name none.
        cache: Folder for the answers of teachers, where a method reads nothing but logits.

    Raises:
        InputError: the table states no such budget, or there is no such device.
    """
    context_of = contexts(root, pick_device(device), Reporter())
    with_facts = _found_once()
    made = []
    for seed in seeds:
        for row in rows:
            recipe = table.recipe(row, seed, budget)
            if recipe is None:
                continue
            try:
                recipe = everywhere(everywhere(recipe, with_root(data_root)), _with_cache(cache))
                recipe = check(everywhere(recipe, with_facts))
                made.append(Cell(row, seed, resolve(recipe, context_of(recipe))))
            except InputError as error:
                made.append(Cell(row, seed, None, str(error)))
    return made


def _with_cache(cache: str) -> Callable[[Recipe], Recipe]:
    """A change of recipes: answers of teachers are stored, where they can be; it is the same run."""

    def changed(recipe: Recipe) -> Recipe:
        stored = bool(recipe.teacher) and not recipe.method.teacher_taps
        return replace(recipe, cache=cache) if stored and cache else recipe

    return changed


def _found_once() -> Callable[[Recipe], Recipe]:
    """A change of recipes: data have what has to be read of them, which is read once for all rows and seeds."""
    known: list[tuple[Dataset, Dataset]] = []

    def changed(recipe: Recipe) -> Recipe:
        found = next((described for data, described in known if data == recipe.data), None)
        if found is None:
            found = recipe.data.with_facts()
            known.append((recipe.data, found))
        return replace(recipe, data=found)

    return changed


def look(cell: Cell, root: Path) -> Found:
    """Return what there is of a cell. A run that was kept without its weights counts: its numbers are there.

    Raises:
        InputError: a folder is damaged, or of another version.
    """
    run = None if cell.recipe is None else find(cell.recipe, root)
    if run is None:
        return Found("missing")
    if not (run.folder / "metrics.json").is_file():
        return Found("begun", None, run.folder)
    return Found("done", run.metrics | {MEASURED: measured(run)}, run.folder)


@dataclass(frozen=True)
class Numbers:
    """Mean and standard deviation (n - 1) over seeds; no deviation of a single one."""

    mean: float
    deviation: float | None
    count: int


def numbers(values: Iterable[float]) -> Numbers | None:
    """Return the numbers of some values; None where there are none."""
    several = list(values)
    if not several:
        return None
    return Numbers(mean(several), stdev(several) if len(several) > 1 else None, len(several))


@dataclass(frozen=True)
class Line:
    """A row with what has run of it."""

    row: Row
    state: str
    """`3 of 3`, `1 of 3, 1 begun`, `quoted`."""
    accuracy: Numbers | None
    """Last epoch, in per cent."""
    best: Numbers | None
    """Best epoch, chosen on the test set or on a validation split, in per cent."""
    columns: dict[str, Numbers | None]
    folders: tuple[str, ...]
    problem: str = ""
    by_seed: tuple[tuple[int, float], ...] = ()
    """Seed and accuracy of the last epoch, in per cent."""

    @property
    def difference(self) -> float | None:
        """Ours - the paper's, in points."""
        if self.accuracy is None or self.row.paper is None:
            return None
        return self.accuracy.mean - self.row.paper


def lines(table: Table, rows: Sequence[Row], made: Sequence[Cell], root: Path, failed: dict[str, str]) -> list[Line]:
    """Return a line for each row.

    Args:
        table: Whose columns are filled.
        rows: Of the table.
        made: See `cells`.
        root: Folder of run folders.
        failed: Why a recipe's training has failed, by its hash.
    """
    return [_line(table, row, [cell for cell in made if cell.row is row], root, failed) for row in rows]


def _line(table: Table, row: Row, own: Sequence[Cell], root: Path, failed: dict[str, str]) -> Line:
    problems = [cell.problem for cell in own if cell.problem]
    found: list[tuple[Cell, Found]] = []
    for cell in own:
        try:
            found.append((cell, look(cell, root)))
        except InputError as error:
            problems.append(str(error))
        if cell.recipe is not None and cell.recipe.hash in failed:
            problems.append(failed[cell.recipe.hash])
    done = [(cell, one.metrics) for cell, one in found if one.metrics is not None]
    begun = sum(one.state == "begun" for _, one in found)
    state = "quoted" if not own else f"{len(done)} of {len(own)}" + (f", {begun} begun" if begun else "")
    folders = [one.folder for _, one in found if one.folder is not None]
    return filled(table, row, done, state, folders, problems[0] if problems else "")


def filled(
    table: Table,
    row: Row,
    done: Sequence[tuple[Cell, Metrics]],
    state: str,
    folders: Sequence[Path],
    problem: str = "",
) -> Line:
    """Return a row with the numbers of its finished runs: cells and their metrics, with what was measured of them."""
    return Line(
        row,
        state,
        numbers(100 * float(metrics["accuracy"]) for _, metrics in done),
        numbers(100 * float(metrics["accuracy_best"]) for _, metrics in done),
        {name: numbers(_shown(name, done)) for name in table.columns},
        tuple(map(str, folders)),
        problem,
        tuple((cell.seed, 100 * float(metrics["accuracy"])) for cell, metrics in done),
    )


def _shown(name: str, done: Sequence[tuple[Cell, Metrics]]) -> list[float]:
    """Return what a column has of finished runs; nothing of a column or of a number of steps that there is not."""
    numbered = NUMBERED.fullmatch(name)
    if numbered:
        place = int(numbered[2]) - 1
        of_runs = [metrics[BY_STEP[numbered[1]]] for _, metrics in done]
        return [100 * shares[place] for shares in of_runs if place < len(shares)]
    if name not in COLUMNS:
        return []
    values = []
    for cell, metrics in done:
        try:
            assert cell.recipe is not None
            values.append(COLUMNS[name](cell.recipe, metrics))
        except (KeyError, TypeError):  # a run without a validation split has no accuracy on one, an ANN no firing rate
            continue
    return values
