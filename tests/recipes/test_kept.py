"""The runs that are kept under results/ are still those of today's recipes: no change of a value orphans them."""

import json
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest

from spikedistill.machine.state_files import FORMAT
from spikedistill.recipe import Recipe, everywhere, recipes_of
from spikedistill.recipes import _files as recipe_files
from spikedistill.table import with_seed
from spikedistill.values.plain import UNUSED, from_json, to_json

RESULTS = Path(__file__).parents[2] / "results"
HASHES = json.loads((RESULTS / "hashes.json").read_text())
RECIPES = recipe_files.shipped()
TABLES = tuple(recipe_files.shipped_tables().values())
TWIN = RESULTS / "foreign" / "twin.py"
BESIDE = {
    "cifar10-foreign-twin": f"{TWIN}:student",
    "cifar10-foreign-twin-muon": f"{TWIN}:by_muon",
    "cifar10-foreign-twin-slower": f"{TWIN}:slower",
    "cifar10-foreign-twin-subtracting": f"{TWIN}:subtracting",
}
"""Recipes that lie beside their runs."""


def kept(place: str) -> Recipe:
    return from_json(Recipe, json.loads((RESULTS / place / "recipe.json").read_text()), place)


def test_every_kept_run_of_this_format_is_named():
    folders = {info.parent for info in RESULTS.rglob("run.json") if json.loads(info.read_text())["format"] == FORMAT}
    assert {folder.relative_to(RESULTS).as_posix() for folder in folders} == set(HASHES)
    assert folders


@pytest.mark.parametrize("place", HASHES)
def test_its_hash_has_not_changed(place):
    recipe = kept(place)
    assert recipe.hash == HASHES[place]
    assert to_json(recipe, leave_out=(UNUSED,)) == json.loads((RESULTS / place / "recipe.json").read_text())


@pytest.mark.parametrize("place", HASHES)
def test_a_recipe_or_a_table_of_this_library_gives_the_run(place):
    """So that the command beside a number gives that number's run."""
    run = kept(place)
    assert run.hash in {
        everywhere(one, partial(replace, precision=run.precision)).hash for one in shipped(run.name, run.seed)
    } | {one.hash for one in beside(run)}


def beside(run):
    """Of a twin the module's weights are in the hash, and are not kept."""
    if run.name in BESIDE:
        recipe = with_seed(recipe_files.load(BESIDE[run.name]), run.seed, tied=True)
        yield replace(recipe, precision=run.precision, model=replace(recipe.model, digest=run.model.digest))


@cache
def shipped(name, seed):
    """What this library has under a name for a seed: a recipe, and what tables train in any budget, teachers and starts
    too."""
    found = [with_seed(recipe_files.load(name), seed, tied=True)] if name in RECIPES else []
    for table in TABLES:
        for row in table.rows:
            if row.recipe is None or name.removesuffix("-cpu") not in names_of(row.recipe):
                continue
            for budget in ("paper", "cpu") if table.cpu is not None else ("paper",):
                recipe = table.recipe(row, seed, budget)
                found += [recipe, *trained_for(recipe)]
    return found


def names_of(recipe):
    return {one.name for one in (recipe, *trained_for(recipe))}


def trained_for(recipe):
    return [one for part in recipe.parts for one in recipes_of(part)]
