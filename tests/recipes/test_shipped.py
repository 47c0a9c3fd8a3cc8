"""What every recipe of this library promises."""

import json
import re
from dataclasses import replace

import pytest

from spikedistill.cli import cite as citations
from spikedistill.methods import TSER, methods
from spikedistill.recipe import Recipe
from spikedistill.recipes import _files as recipe_files
from spikedistill.recipes import tser_table_3
from spikedistill.runs import train as runs
from spikedistill.teachers import FromRecipe
from spikedistill.values.plain import from_json, to_json

NAMES = list(recipe_files.shipped())


def test_there_are_some():
    assert "digits-teacher" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_called_what_it_is_listed_as_and_can_run(name):
    recipe = recipe_files.load(name)
    assert recipe.name == name
    assert from_json(Recipe, json.loads(json.dumps(to_json(recipe)))) == recipe
    assert runs.check(recipe) == recipe
    recipe.model.build(recipe.data.shape, recipe.data.classes, recipe.neuron, recipe.norm)


@pytest.mark.parametrize("name", NAMES)
def test_its_teacher_is_a_recipe_of_its_own(name):
    """So that the teacher can be asked for, cited and trained by name."""
    teacher = recipe_files.load(name).teacher
    if isinstance(teacher, FromRecipe):
        assert recipe_files.load(teacher.recipe.name) == teacher.recipe


def test_no_two_are_the_same_run():
    hashes = {recipe_files.load(name).hash: name for name in NAMES}
    assert sorted(hashes.values()) == sorted(NAMES)


def balanced(text):
    depth = 0
    for sign in re.sub(r"\\[{}]", "", text):
        depth += (sign == "{") - (sign == "}")
        if depth < 0:
            return False
    return depth == 0


@pytest.mark.parametrize("name", [*NAMES, *sorted(methods().keys() - {"sum"})])
def test_it_can_be_cited(name):
    text = citations.bibtex(name)
    entries = re.findall(r"^@\w+\{[^\s,{}]+,$", text, re.MULTILINE)
    assert entries
    assert balanced(text)
    for field in ("title", "author", "year"):
        assert len(re.findall(rf"^\s+{field}\s*= ", text, re.MULTILINE)) == len(entries)


def test_all_rows_of_tsers_ablation_are_recipes():
    """Table 3: no separation, cross-entropy, KL, both, and both with entropy, in otherwise equal recipes."""
    recipes = [row.recipe for row in tser_table_3.table.rows]
    methods = [recipe.method for recipe in recipes]
    rows = [(method.separate_ce, method.separate_kl, method.entropy > 0) for method in methods]
    assert rows == [(0.0, 0.0, False), (1.0, 0.0, False), (0.0, 1.0, False), (1.0, 1.0, False), (1.0, 1.0, True)]
    assert len({replace(recipe, method=TSER(), name="recipe").hash for recipe in recipes}) == 1
