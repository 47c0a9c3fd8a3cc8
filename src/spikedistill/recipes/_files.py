"""Recipes by name, from this library's folder or from a user's own Python file.

A file is run, and every public name of its own that holds a recipe is one: helpers, loops and tables are fine. A name
that the file imports, or that a loop leaves behind, is not its own. Names that cannot be are answered without running
anything (`_names`).
"""

import hashlib
import importlib.util
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikedistill.errors import InputError, UserCodeError, nearest, shown
from spikedistill.recipes._moved import what_changed
from spikedistill.recipes._names import (
    names_in,
    possible,
    possible_files,
    possible_tables,
    recipe_files,
    recipe_name,
    table_name,
)

if TYPE_CHECKING:
    from spikedistill.recipe import Recipe
    from spikedistill.table import Table


def shipped() -> dict[str, tuple[Path, str]]:
    """Return file and variable of each recipe of this library, by its name. Runs all files."""
    return {
        recipe_name(path, variable): (path, variable)
        for path in recipe_files()
        for variable in _own_recipes(path, _run_shipped(path))
    }


def check_name(name: str) -> None:
    """Raise InputError where no recipe can have this name; runs nothing."""
    if not _is_file_name(name) and not possible_files(name):
        raise InputError(f"Unknown recipe {shown(name)}.{nearest(name, possible())} `spikedistill list` shows all.")


def load(name: str) -> "Recipe":
    """Return a recipe: a name of this library's, or `path/to/file.py`, or `path/to/file.py:variable`.

    Raises:
        InputError: there is none of that name, or the file cannot be run or holds none.
    """
    if not _is_file_name(name):
        check_name(name)
        for path in possible_files(name):
            recipes = _own_recipes(path, _run_shipped(path))
            variable = next((one for one in recipes if recipe_name(path, one) == name), None)
            if variable is not None:
                return _named(recipes[variable], name)
        raise InputError(f"{name} is no recipe.{nearest(name, shipped())} `spikedistill list` shows all.")
    file, _, variable = name.partition(":")
    path = Path(file)
    values = run_file(path)
    recipes = _own_recipes(path, values)
    if not variable and len(recipes) == 1:
        (variable,) = recipes
    asked = values.get(variable)
    if variable not in recipes and (variable.startswith("_") or not _is_recipe(asked)):
        names = ", ".join(f"{path}:{known}" for known in recipes) or "none"
        raise InputError(f"{name} does not say which recipe.{nearest(variable, recipes)} The file holds: {names}.")
    recipe: Recipe = values[variable]
    return _with_named_teachers(_named(recipe, variable), recipes)


def shipped_tables() -> "dict[str, Table]":
    """Return the tables of this library, by name. Runs all files."""
    return {
        table_name(path, variable): table
        for path in recipe_files()
        for variable, table in _own_tables(path, _run_shipped(path)).items()
    }


def load_table(name: str) -> "Table":
    """Return a table: a name of this library's, or `path/to/file.py`, or `path/to/file.py:variable`.

    Raises:
        InputError: there is none of that name, or the file cannot be run or holds none.
    """
    if not _is_file_name(name):
        path = possible_tables().get(name)
        tables = {} if path is None else _own_tables(path, _run_shipped(path))
        for variable, table in tables.items():
            if path is not None and table_name(path, variable) == name:
                return table
        hint = nearest(name, shipped_tables())
        raise InputError(f"Unknown table {shown(name)}.{hint} `spikedistill table` shows all.")
    file, _, variable = name.partition(":")
    tables = _own_tables(Path(file), run_file(Path(file)))
    if not variable and len(tables) == 1:
        (variable,) = tables
    if variable not in tables:
        names = ", ".join(f"{file}:{known}" for known in tables) or "none"
        raise InputError(f"{name} does not say which table.{nearest(variable, tables)} The file holds: {names}.")
    return tables[variable]


def recipes_of(path: Path) -> "dict[str, Recipe]":
    """Return the recipes of a user's own file, by variable. Raises as `run_file` does."""
    return _own_recipes(path, run_file(path))


def run_file(path: Path) -> dict[str, Any]:
    """Return what a user's own Python file defines. It can import what lies beside it; a file is run once.

    Raises:
        InputError: there is no such file, or it cannot be run.
    """
    if path.suffix != ".py":
        raise InputError(f"{path} is no Python file: its name does not end in .py.")
    try:
        there = path.is_file()
    except OSError:  # a name that is longer than names can be
        there = False
    if not there:
        raise InputError(f"There is no recipe file {path}.")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    return _run(path, f"recipe_file_{path.stem}_{hashlib.sha256(bytes(path.resolve())).hexdigest()[:8]}")


def _is_file_name(name: str) -> bool:
    return name.partition(":")[0].endswith(".py")


def _named(recipe: "Recipe", name: str) -> "Recipe":
    return replace(recipe, name=name) if recipe.name == "recipe" else recipe


def _with_named_teachers(recipe: "Recipe", recipes: "dict[str, Recipe]") -> "Recipe":
    """Return the recipe with the recipes of its teachers named after the file's variables that hold them."""
    from spikedistill.recipe import everywhere

    def named(one: "Recipe") -> "Recipe":
        return _named(one, next((name for name, other in recipes.items() if other == one), one.name))

    return everywhere(recipe, named)


def _own_tables(path: Path, values: dict[str, Any]) -> "dict[str, Table]":
    """Return the tables among what a file defines, without those that it has from elsewhere."""
    from spikedistill.table import Table

    borrowed = names_in(path).borrowed
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, Table) and not name.startswith("_") and name not in borrowed
    }


def _is_recipe(value: Any) -> bool:
    from spikedistill.recipe import Recipe

    return isinstance(value, Recipe)


def _own_recipes(path: Path, values: dict[str, Any]) -> "dict[str, Recipe]":
    """Return the recipes among what a file defines, without those that it has from elsewhere."""
    borrowed = names_in(path).borrowed
    return {
        name: value
        for name, value in values.items()
        if _is_recipe(value) and not name.startswith("_") and name not in borrowed
    }


def _run_shipped(path: Path) -> dict[str, Any]:
    return _run(path, f"spikedistill.recipes.{path.stem}")


def _run(path: Path, module_name: str) -> dict[str, Any]:
    """Run a file as a module and return what it defines."""
    if module_name in sys.modules:
        return vars(sys.modules[module_name])
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[module_name]
        if isinstance(error, Exception | SystemExit):
            raise _failed(path, error) from error
        raise
    return vars(module)


def _failed(path: Path, error: BaseException) -> InputError:
    """Return the error for a file that cannot be run."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    where = f"{path}, line {lines[-1]}," if lines else f"{path}"
    if isinstance(error, InputError):
        return InputError(f"{path}: {error}")
    if isinstance(error, SystemExit):
        return InputError(f"{where} ends the program (sys.exit). A file that is read here defines values and classes.")
    kind = InputError if isinstance(error, SyntaxError) else UserCodeError
    return kind(f"{where} cannot be run: {type(error).__name__}: {error}.{what_changed(error)}")
