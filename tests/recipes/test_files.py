"""Recipes by name and from a user's own files."""

import pytest

from spikedistill.errors import InputError
from spikedistill.recipes import _files as recipe_files

RECIPE = """
from beside import WIDTHS
from spikedistill.data.digits import Digits
from spikedistill.models import MLP
from spikedistill.recipe import Recipe

mine = Recipe(Digits(), MLP(WIDTHS), 3)
"""
SECOND = '\nother = Recipe(Digits(), MLP(), 4, name="called-so")\n_part = Recipe(Digits(), MLP(), 5)\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    (tmp_path / "beside.py").write_text("WIDTHS = (7,)\n")
    return tmp_path


def test_the_only_recipe_of_a_file_needs_no_name(folder):
    path = folder / "my.py"
    path.write_text(RECIPE)
    recipe = recipe_files.load(str(path))
    assert (recipe.name, recipe.model.hidden, recipe.epochs) == ("mine", (7,), 3)
    assert recipe_files.load(f"{path}:mine") == recipe


def test_one_of_several_has_to_be_named(folder):
    path = folder / "my.py"
    path.write_text(RECIPE + SECOND)
    assert recipe_files.load(f"{path}:other").name == "called-so"
    for given in (str(path), f"{path}:", f"{path}:_part"):
        with pytest.raises(InputError, match=rf"does not say which recipe.*The file holds: {path}:mine, {path}:other"):
            recipe_files.load(given)
    with pytest.raises(InputError, match="Did you mean 'other'"):
        recipe_files.load(f"{path}:othr")


def test_files_of_one_name_in_two_folders_are_two(folder):
    for k in (1, 2):
        (folder / str(k)).mkdir()
        (folder / str(k) / "my.py").write_text(
            RECIPE.replace("from beside import WIDTHS", "WIDTHS = (7,)").replace("3)", f"{k})")
        )
    assert [recipe_files.load(str(folder / str(k) / "my.py")).epochs for k in (1, 2)] == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 3\n", "The file holds: none"),
        ("x = 3\nx.y\n", r"my\.py, line 2, cannot be run: AttributeError"),
        ("def :\n", r"my\.py cannot be run: SyntaxError"),
        (
            "from spikedistill.optim.optimizers import SGD\nSGD(0.0)\n",
            r"my\.py: learning_rate must be a finite number above 0",
        ),
        ("import not_there\n", r"my\.py, line 1, cannot be run: ModuleNotFoundError"),
    ],
)
def test_files_that_cannot_be_used(folder, content, message):
    (folder / "my.py").write_text(content)
    with pytest.raises(InputError, match=message):
        recipe_files.load(str(folder / "my.py"))


def test_a_file_that_is_not_there(folder):
    with pytest.raises(InputError, match=r"There is no recipe file .*absent\.py"):
        recipe_files.load(str(folder / "absent.py"))


def test_unknown_names_get_the_nearest():
    with pytest.raises(InputError, match=r"Unknown recipe 'digits-teachr'\. Did you mean 'digits-teacher'"):
        recipe_files.load("digits-teachr")
