"""The command that trains a run again."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from spikedistill.recipe import Recipe, everywhere
from spikedistill.report.papers import Place
from spikedistill.report.stored import Stored
from spikedistill.table import with_seed
from spikedistill.values.plain import digest


def command(run: Stored, recipes: Mapping[str, Recipe], places: Sequence[Place]) -> str:
    """Return what to type: a recipe of this library by its name, a row of a table, or else the folder's own recipe.

    Args:
        run: What is to be trained again.
        recipes: This library's, by name.
        places: Rows of tables that it is.
    """
    own, shipped = _digest(run.recipe), recipes.get(run.recipe.name)
    if shipped is not None:
        for tied in (False, True):
            if _digest(with_seed(shipped, run.recipe.seed, tied)) == own:
                named = f"spikedistill train {shlex.quote(run.recipe.name)} --seed {run.recipe.seed}"
                return named + (" --teacher-seed tied" if tied else "")
    for place in places:
        rows = shlex.quote(place.row.title.replace(",", "*"))  # a comma would begin another row
        budget = "" if place.budget == "paper" else f" --budget {place.budget}"
        return f"spikedistill table {place.table} --run --rows {rows} --seeds {run.recipe.seed}{budget}"
    code = f"import spikedistill; spikedistill.train(spikedistill.open_run({str(run.folder)!r}).recipe, 'again')"
    return f"python -c {shlex.quote(code)}"


def _digest(recipe: Recipe) -> str:
    return digest(everywhere(recipe, lambda one: replace(one, precision="auto")))
