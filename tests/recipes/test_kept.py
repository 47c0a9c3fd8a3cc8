"""The runs that are kept under results/ are still those of today's recipes: no change of a value orphans them."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from spikedistill.machine.state_files import FORMAT
from spikedistill.recipe import Recipe, everywhere
from spikedistill.recipes import _files as recipe_files
from spikedistill.values.plain import from_json, to_json

RESULTS = Path(__file__).parents[2] / "results"
HASHES = json.loads((RESULTS / "hashes.json").read_text())


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
    assert to_json(recipe) == json.loads((RESULTS / place / "recipe.json").read_text())


@pytest.mark.parametrize("place", [place for place in HASHES if place.endswith("-0")])
def test_the_shipped_recipe_of_that_name_is_the_run(place):
    """So that the command beside a number gives that number's run."""
    run = kept(place)
    shipped = everywhere(recipe_files.load(run.name), partial(replace, precision=run.precision))
    assert shipped.hash == HASHES[place]
