"""Recipes by name, from this library's folder or from a user's own Python file. Listing them imports nothing."""

import ast
import hashlib
import importlib.util
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikedistill.errors import InputError, nearest, pick

if TYPE_CHECKING:
    from spikedistill.recipe import Recipe

FOLDER = Path(__file__).parent


def shipped() -> dict[str, tuple[Path, str]]:
    """Return file and variable of each recipe of this library, by its name."""
    files = sorted(path for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
    return {
        f"{path.stem}-{variable}".replace("_", "-"): (path, variable) for path in files for variable in _variables(path)
    }


def load(name: str) -> "Recipe":
    """Return a recipe: a name of this library's, or `path/to/file.py`, or `path/to/file.py:variable`.

    Raises:
        InputError: there is none of that name, or the file cannot be run or holds none.
    """
    file, _, variable = name.partition(":")
    if not file.endswith(".py"):
        path, variable = pick("recipe", name, shipped())
        return _named(_values(path, f"spikedistill.recipes.{path.stem}")[variable], name)
    path = Path(file)
    recipes = _recipes(run_file(path))
    if not variable and len(recipes) == 1:
        (variable,) = recipes
    if variable not in recipes:
        names = ", ".join(f"{path}:{known}" for known in recipes) or "none"
        raise InputError(f"{name} does not say which recipe.{nearest(variable, recipes)} The file holds: {names}.")
    return _named(recipes[variable], variable)


def run_file(path: Path) -> dict[str, Any]:
    """Return what a user's own Python file defines. It can import what lies beside it; a file is run once.

    Raises:
        InputError: there is no such file, or it cannot be run.
    """
    if not path.is_file():
        raise InputError(f"There is no recipe file {path}.")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    return _values(path, f"recipe_file_{path.stem}_{hashlib.sha256(bytes(path.resolve())).hexdigest()[:8]}")


def _named(recipe: "Recipe", name: str) -> "Recipe":
    return replace(recipe, name=name) if recipe.name == "recipe" else recipe


def _variables(path: Path) -> list[str]:
    """Lower-case names that a file assigns at its top level, without those that start with an underscore."""
    targets = [
        target
        for node in ast.parse(path.read_text()).body
        for target in (node.targets if isinstance(node, ast.Assign) else [])
    ]
    return [
        target.id for target in targets if isinstance(target, ast.Name) and target.id.islower() and target.id[0] != "_"
    ]


def _recipes(values: dict[str, Any]) -> "dict[str, Recipe]":
    from spikedistill.recipe import Recipe

    return {name: value for name, value in values.items() if isinstance(value, Recipe) and not name.startswith("_")}


def _values(path: Path, module_name: str) -> dict[str, Any]:
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
    except Exception as error:
        del sys.modules[module_name]
        if isinstance(error, InputError):
            raise InputError(f"{path}: {error}") from error
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f"{path}, line {lines[-1]}," if lines else f"{path}"
        raise InputError(f"{where} cannot be run: {type(error).__name__}: {error}") from error
    return vars(module)
