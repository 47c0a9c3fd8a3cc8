"""The papers' numbers for runs: which rows of tables a setting is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spikedistill.errors import InputError
from spikedistill.recipe import Recipe, everywhere
from spikedistill.report.settings import Setting, setting_key
from spikedistill.report.stored import Stored, number, numbers_in, read
from spikedistill.report.words import counted
from spikedistill.runs.cells import BY_STEP, MEASURED, Cell, Line, cells, filled
from spikedistill.runs.folder import find
from spikedistill.table import Budget, Row, Table

NOT_HERE = "not on this page"
"""State of a row of a table that was found by its runs, where none of them is this row."""
BUDGETS: tuple[Budget, ...] = ("paper", "cpu")


@dataclass(frozen=True)
class Place:
    """A row of a table, in a budget."""

    table: str
    row: Row
    budget: Budget


@dataclass(frozen=True)
class ShownTable:
    """A table with what of it is on the page."""

    name: str
    table: Table
    budget: Budget
    lines: tuple[Line, ...]


def places(settings: Sequence[Setting], tables: Mapping[str, Table]) -> dict[str, list[Place]]:
    """Return the rows that settings are, by the setting's key. Precision and seeds may differ, nothing else."""
    wanted: dict[tuple[object, ...], dict[str, list[str]]] = {}
    for setting in settings:
        alike = wanted.setdefault(_coarse(setting.recipe), {})
        alike.setdefault(_fine(setting.recipe), []).append(setting.key)
    found: dict[str, list[Place]] = {}
    for name, table in tables.items():
        for row, budget, recipe in _recipes(table):
            alike = wanted.get(_coarse(recipe), {})
            for key in alike.get(_fine(recipe), ()) if alike else ():
                if not any(one.table == name and one.row is row for one in found.get(key, ())):
                    found.setdefault(key, []).append(Place(name, row, budget))
    return found


def _recipes(table: Table) -> Iterator[tuple[Row, Budget, Recipe]]:
    for row in table.rows:
        for budget in BUDGETS if table.cpu is not None else BUDGETS[:1]:
            try:
                recipe = table.recipe(row, 0, budget)
            except InputError:  # a change that does not fit: `spikedistill table` says so
                continue
            if recipe is not None:
                yield row, budget, recipe


def _coarse(recipe: Recipe) -> tuple[object, ...]:
    """What is quick to compare: few recipes share it."""
    return type(recipe.data), recipe.model, recipe.epochs, recipe.steps, recipe.method


def _fine(recipe: Recipe) -> str:
    return setting_key(everywhere(recipe, lambda one: replace(one, precision="auto")))


def matched_tables(
    settings: Sequence[Setting], tables: Mapping[str, Table], where: Mapping[str, Sequence[Place]]
) -> list[ShownTable]:
    """Return the tables that the page has runs of, with all their rows: those that have not run have no number."""
    shown = []
    for name, table in tables.items():
        for budget in BUDGETS:
            rows: dict[str, list[Stored]] = {}
            for setting in settings:
                for place in where.get(setting.key, ()):
                    if place.table == name and place.budget == budget:
                        rows.setdefault(place.row.title, []).extend(setting.runs)
            if rows:
                lines = tuple(_line(table, row, rows.get(row.title, ())) for row in table.rows)
                shown.append(ShownTable(name, table, budget, lines))
    return shown


def asked_table(name: str, table: Table, budget: Budget, root: Path) -> ShownTable:
    """Return a table with what has run of it in a folder of runs, by the recipes of this machine.

    Raises:
        InputError: the table states no such budget.
    """
    made = cells(table, table.rows, table.seeds, root, budget)
    return ShownTable(name, table, budget, tuple(_looked_up(table, row, made, root) for row in table.rows))


def _looked_up(table: Table, row: Row, made: Sequence[Cell], root: Path) -> Line:
    own = [cell for cell in made if cell.row is row]
    problems = [cell.problem for cell in own if cell.problem]
    runs = []
    for cell in own:
        try:
            found = None if cell.recipe is None else find(cell.recipe, root)
            runs += [] if found is None else [read(found.folder)]
        except InputError as error:
            problems.append(str(error))
    finished = sum(run.finished for run in runs)
    begun = f", {len(runs) - finished} begun" if len(runs) > finished else ""
    state = f"{finished} of {len(own)}{begun}" if own else "quoted"
    return _line(table, row, runs, state, problems[0] if problems else "")


def _line(table: Table, row: Row, runs: Sequence[Stored], state: str = "", problem: str = "") -> Line:
    done = [(Cell(row, run.recipe.seed, run.recipe), _metrics(run)) for run in runs if run.finished]
    if not state:
        state = "quoted" if row.recipe is None else counted(len(done), "run") if runs else NOT_HERE
    return filled(table, row, done, state, [run.folder for run in runs], problem)


def _metrics(run: Stored) -> dict[str, Any]:
    """Return metrics as tables read them: numbers alone, what was measured too, and the last epoch where no best is."""
    lists = {name: numbers_in(run.metrics.get(name)) for name in BY_STEP.values()}
    metrics: dict[str, Any] = {name: [] if None in values else values for name, values in lists.items()}
    metrics |= {name: value for name, given in run.metrics.items() if (value := number(given)) is not None}
    first = {what: next(iter(run.entries(what)), None) for what in ("energy", "agreement", "calibration")}
    measured = {what: entry for what, entry in first.items() if entry is not None}
    return {"accuracy_best": metrics["accuracy"]} | metrics | {MEASURED: measured}
