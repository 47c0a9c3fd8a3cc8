"""What a table is: rows of recipes, beside the numbers that a paper prints for them.

A table is a value like a recipe. One of this library is what a file of `spikedistill.recipes` holds; one of your own is
what your file holds: `Table("Mine", (Row("scratch", scratch), Row("distilled", distilled)))`.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from spikedistill.errors import InputError, nearest, shown
from spikedistill.recipe import UNNAMED, Part, Recipe, everywhere, recipes_of
from spikedistill.values.change import change
from spikedistill.values.checks import check_choice

TeacherSeed = Literal["tied", "kept"]
Budget = Literal["paper", "cpu", "smoke"]


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    label: str
    """What it is called; in its group no other is called so."""
    recipe: Recipe | None = None
    """What is trained; None for a row that is quoted: a paper's number for a method of other people."""
    paper: float | None = None
    """Accuracy that the paper prints, in per cent."""
    paper_deviation: float | None = None
    """What it prints after its ±."""
    group: str = ""
    """Heading that it stands under: a data set, a number of time steps."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What else the paper prints, by the table's columns."""
    cpu: Mapping[str, Any] = field(default_factory=dict)
    """Changes by path of this row's recipe in the budget for two cores, after those of the table."""

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not self.label.strip():
            raise InputError(f"The label of a table's row is a text that is not empty, not {shown(self.label)}.")
        if self.recipe is not None and not isinstance(self.recipe, Recipe):
            raise InputError(f"The recipe of row {self.label!r} is a Recipe, or None in a quoted row.")
        for name in ("paper", "paper_deviation"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
                raise InputError(f"{name} of row {self.label!r} is a number or None, not {shown(value)}.")

    @property
    def title(self) -> str:
        """Group and label."""
        return f"{self.group}: {self.label}" if self.group else self.label


@dataclass(frozen=True)
class Table:
    """Rows, over which seeds they are run, and how they are cut down for a small machine."""

    title: str
    rows: tuple[Row, ...]
    source: str = ""
    """Paper and number of the table."""
    seeds: tuple[int, ...] = (0, 1, 2)
    teacher_seed: TeacherSeed = "tied"
    """A teacher that a recipe trains has the student's seed, or keeps its own."""
    cpu: Mapping[str, Any] | None = None
    """Changes by path of all recipes, teachers' too, in the budget for two cores; None where that is not stated."""
    baseline: str = ""
    """Label of the row that the others of its group are compared with, paired by seed."""
    columns: tuple[str, ...] = ()
    """What is shown beside the accuracy; see `spikedistill.runs.cells.COLUMNS`. Of others only the paper's numbers."""
    note: str = ""
    """What a reader has to know of the protocol."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))
        if not self.rows or not all(isinstance(row, Row) for row in self.rows):
            raise InputError(f"The table {shown(self.title)} needs rows: Row(label, recipe).")
        titles = [row.title for row in self.rows]
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice is not None:
            raise InputError(f"The table {shown(self.title)} has two rows {twice!r}. Give each a label of its own.")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"The seeds of a table are numbers, each once, not {shown(self.seeds)}.")
        check_choice(self, "teacher_seed", get_args(TeacherSeed))
        labels = {row.label for row in self.rows}
        if self.baseline and self.baseline not in labels:
            raise InputError(
                f"The baseline {self.baseline!r} is no row.{nearest(self.baseline, labels)} Rows: {', '.join(labels)}."
            )

    def recipe(self, row: Row, seed: int, budget: Budget = "paper") -> Recipe | None:
        """Return what a row trains in a budget with a seed; None for a quoted row.

        Raises:
            InputError: the table states no such budget, or a change does not fit the recipe.
        """
        if row.recipe is None:
            return None
        recipe = row.recipe if row.recipe.name != UNNAMED else replace(row.recipe, name=_as_name(row.title))
        if budget == "cpu":
            if self.cpu is None:
                raise InputError(
                    f"The table {shown(self.title)} states no reduction for two cores. Leave --budget out, or change a "
                    "row's recipe yourself: spikedistill train."
                )
            reduction = self.cpu
            recipe = everywhere(recipe, lambda one: _reduced(one, reduction))
            recipe = change(recipe, row.cpu) if row.cpu else recipe
        return with_seed(recipe, seed, self.teacher_seed == "tied" and any(map(_trains, recipe.parts)))

    def patterns(self, text: str) -> tuple[str, ...]:
        """Return what `chosen` takes from a text, parted at its commas but not at those of a row's name."""
        pieces, found = text.split(","), []
        named = {name.lower() for row in self.rows for name in _names(row)}
        while pieces:
            joined = (count for count in range(len(pieces), 1, -1) if ",".join(pieces[:count]).strip().lower() in named)
            count = next(joined, 1)
            found.append(",".join(pieces[:count]).strip())
            pieces = pieces[count:]
        return tuple(filter(None, found))

    def chosen(self, patterns: Sequence[str]) -> tuple[Row, ...]:
        """Return the rows that one of the patterns names; all where there are none.

        A pattern is a label, a group, or `GROUP: LABEL`, upper case or lower; `*` stands for anything.

        Raises:
            InputError: a pattern names none.
        """

        def names(row: Row) -> set[str]:
            return {name.lower() for name in _names(row)}

        for pattern in patterns:
            if not any(fnmatchcase(name, pattern.lower()) for row in self.rows for name in names(row)):
                known = dict.fromkeys(name for row in self.rows for name in _names(row))
                hint = nearest(pattern, known)
                raise InputError(f"No row is called {shown(pattern)}.{hint} Rows: {', '.join(known)[:1000]}.")
        chosen = [
            row
            for row in self.rows
            if not patterns or any(fnmatchcase(name, one.lower()) for name in names(row) for one in patterns)
        ]
        return tuple(chosen)


def _names(row: Row) -> list[str]:
    return [name for name in (row.label, row.group, row.title) if name]


def _as_name(title: str) -> str:
    """Return what a run is called whose recipe has no name: `mnist-full-l1`."""
    return re.sub(r"\W+", "-", title.lower()).strip("-_") or UNNAMED


def _trains(part: Part) -> bool:
    return next(recipes_of(part), None) is not None


def _reduced(recipe: Recipe, reduction: Mapping[str, Any]) -> Recipe:
    """Return the recipe within the budget for two cores; its name says so where it is another one then."""
    reduced = change(recipe, reduction) if reduction else recipe
    return reduced if reduced == recipe else replace(reduced, name=f"{recipe.name}-cpu")


def with_seed(recipe: Recipe, seed: int, tied: bool = False) -> Recipe:
    """Return the recipe with another seed; recipes of its teachers and starts keep theirs, or take it where `tied`."""
    return everywhere(recipe, lambda one: replace(one, seed=seed)) if tied else replace(recipe, seed=seed)


def sweep(recipe: Recipe, values: Mapping[str, Sequence[Any]], group: str = "") -> tuple[Row, ...]:
    """Return a row for each combination of values: `sweep(student, {"method.alpha": (0.1, 0.5), "seed": (0, 1)})`.

    Raises:
        InputError: a path leads nowhere, or a value is not allowed there.
    """
    rows = []
    for point in itertools.product(*values.values()):
        changes = dict(zip(values, point, strict=True))
        label = ", ".join(f"{path.rpartition('.')[2]} {value}" for path, value in changes.items())
        rows.append(Row(label, replace(change(recipe, changes), name=recipe.name), group=group))
    return tuple(rows)


def simplex(parts: int = 3, steps: int = 10) -> Iterator[tuple[float, ...]]:
    """Yield all points whose coordinates are multiples of 1 / steps, at least 0, with sum 1: (0.2, 0.2, 0.6), ..."""
    for cuts in itertools.combinations(range(steps + parts - 1), parts - 1):
        edges = (-1, *cuts, steps + parts - 1)
        yield tuple((after - before - 1) / steps for before, after in itertools.pairwise(edges))
