"""What this library has: for `spikedistill list`."""

import inspect
from dataclasses import fields
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spikedistill import data, kernels, methods, models
from spikedistill.methods import Method
from spikedistill.models.size import size
from spikedistill.neurons import Neuron, Normalisation, Surrogate
from spikedistill.recipes import _files as recipe_files
from spikedistill.teachers import FromRecipe
from spikedistill.values.kinds import command_name, shipped_kinds

Rows = list[dict[str, Any]]


def everything() -> dict[str, Rows]:
    """Return recipes, methods, models, neurons, norms, surrogates, data sets and kernels as plain rows."""
    return {
        "recipes": [_recipe_row(name) for name in recipe_files.shipped()],
        "methods": [_row(name, inspect.getmodule(cls)) for name, cls in methods.methods().items()],
        "models": [row for cls in models.models().values() for row in _model_rows(cls)],
        "neurons": [_row(name, cls) for name, cls in shipped_kinds(Neuron).items()],
        "norms": [_row(name, cls) for name, cls in shipped_kinds(Normalisation).items()],
        "surrogates": [_row(name, cls) for name, cls in shipped_kinds(Surrogate).items()],
        "data": [
            _row(name, cls) | {"image": _times(cls().shape), "classes": cls().classes}
            for name, cls in data.datasets().items()
        ],
        "kernels": [{"name": name, "active": active, "why": why} for name, active, why in kernels.active()],
    }


def show(parts: dict[str, Rows]) -> None:
    """Print a table for each part."""
    console = Console()
    recipes = [{"name": row["name"], "what": _sentence(row)} for row in parts["recipes"]]
    for title, rows in (parts | {"recipes": recipes}).items():
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
        for column, value in rows[0].items():
            justify: Literal["right", "left"] = "right" if type(value) is int else "left"
            whole = column == "name" or justify == "right"
            table.add_column(column.replace("_", " "), justify=justify, no_wrap=whole)
        for row in rows:
            table.add_row(*(Text(_shown(value)) for value in row.values()))
        console.print(table)


def _recipe_row(name: str) -> dict[str, Any]:
    recipe = recipe_files.load(name)
    return {
        "name": name,
        "data": recipe.data.name,
        "model": _instance(recipe.model),
        "neuron": "its own neurons" if "neuron" in recipe.unused else command_name(type(recipe.neuron)),
        "steps": recipe.time_steps,
        "method": recipe.method.name,
        "settings": _changes(recipe.method),
        "teacher": recipe.teacher.recipe.name if isinstance(recipe.teacher, FromRecipe) else None,
        "epochs": recipe.epochs,
    }


def _changes(method: Method) -> dict[str, Any]:
    """Return the fields that are not at their defaults."""
    return {f.name: getattr(method, f.name) for f in fields(method) if getattr(method, f.name) != f.default}


def _sentence(recipe: dict[str, Any]) -> str:
    taught = f" from {recipe['teacher']}" if recipe["teacher"] else ""
    settings = ", ".join(f"{name} {value}" for name, value in recipe["settings"].items())
    method = f"{recipe['method']} ({settings})" if settings else recipe["method"]
    network = f"{recipe['model']}, {recipe['neuron']}, T = {recipe['steps']}"
    return f"{recipe['data']}: {network}; {method}{taught}, {recipe['epochs']} epochs"


def _model_rows(cls: type[models.Model]) -> Rows:
    if not cls.examples():
        nothing = dict.fromkeys(("image", "parameters", "macs", "published_ops"))
        return [{"name": cls.name, "instance": "a network of one's own", **nothing}]
    rows = []
    for example, shape in cls.examples():
        counted = size(example, shape)
        rows.append(
            {
                "name": cls.name,
                "instance": _instance(example),
                "image": _times(shape),
                "parameters": counted.parameters,
                "macs": counted.macs,
                "published_ops": counted.published_ops,
            }
        )
    return rows


def _instance(model: models.Model) -> str:
    """`wrn 16 2`: the architecture and its fields."""
    values = (_times(value) if isinstance(value, tuple) else str(value) for value in vars(model).values())
    return " ".join((model.name, *filter(None, values)))


def _times(numbers: tuple[int, ...]) -> str:
    return "x".join(map(str, numbers))


def _row(name: str, thing: object) -> dict[str, Any]:
    """Name and the first sentence of a docstring."""
    return {"name": name, "what": " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and value >= 1_000_000:
        return f"{value / 1e6:,.2f} M"
    return f"{value:,}" if isinstance(value, int) else str(value)
