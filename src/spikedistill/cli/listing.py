"""What this library has, and what a user's own files add: for `spikedistill list`."""

import inspect
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

from spikedistill import kernels, models
from spikedistill.data import Dataset
from spikedistill.methods import Method
from spikedistill.models.size import size
from spikedistill.neurons import Neuron, Normalisation, Surrogate
from spikedistill.recipe import Start
from spikedistill.recipes import _files as recipe_files
from spikedistill.recipes._groups import EXPERIMENTS, GROUPS, group_of
from spikedistill.teachers import FromRecipe
from spikedistill.values.kinds import command_name, named_kinds, shipped_kinds
from spikedistill.values.plain import ADDED

Rows = list[dict[str, Any]]


def _recipes() -> Rows:
    rows = [_recipe_row(name) | {"group": group_of(path)} for name, (path, _) in recipe_files.shipped().items()]
    return sorted(rows, key=lambda row: GROUPS.index(row["group"]))


def tables() -> Rows:
    """Return the tables of this library: name, number of rows and what they show."""
    return [
        {"name": name, "rows": len(table.rows), "what": f"{table.title} ({table.source or 'our own'})"}
        for name, table in recipe_files.shipped_tables().items()
    ]


def _datasets() -> Rows:
    return [_row(name, cls) | _data_facts(cls) for name, cls in named_kinds(Dataset).items()]


PARTS: dict[str, Callable[[], Rows]] = {
    "recipes": _recipes,
    "tables": tables,
    "methods": lambda: [_row(name, _describes(cls)) for name, cls in named_kinds(Method).items()],
    "models": lambda: [row for cls in named_kinds(models.Model).values() for row in _model_rows(cls)],
    "neurons": lambda: [_row(name, cls) for name, cls in named_kinds(Neuron).items()],
    "norms": lambda: [_row(name, cls) for name, cls in named_kinds(Normalisation).items()],
    "surrogates": lambda: [_row(name, cls) for name, cls in named_kinds(Surrogate).items()],
    "starts": lambda: [_row(name, cls) for name, cls in named_kinds(Start).items()],
    "data": _datasets,
    "kernels": lambda: [{"name": name, "active": active, "why": why} for name, active, why in kernels.active()],
}
"""What can be listed, by name: plain rows."""


def show(parts: dict[str, Rows]) -> None:
    """Print a table for each part, a line for each row; on a terminal a line ends where the terminal does."""
    for title, rows in parts.items():
        if title != "recipes":
            _print_table(title, rows)
            continue
        for group in GROUPS:
            named = [
                {"name": row["name"], "what": row.get("what") or _sentence(row)}
                for row in rows
                if row["group"] == group
            ]
            _print_table(f"recipes: {group}", named)


def rungs_together(rows: Rows) -> Rows:
    """Return the rows of recipes, those of an experiment's table as one, in the place of the first."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        own = [name for name in recipe_files.shipped_tables() if row["name"].startswith(f"{name}-")]
        if row["group"] == EXPERIMENTS and own:
            what = f"recipes of a table, `spikedistill table {own[0]}`; `spikedistill list recipes` names them"
            found.setdefault(own[0], {"name": f"{own[0]}-*", "what": what, "group": EXPERIMENTS})
        else:
            found[row["name"]] = row
    return list(found.values())


def _print_table(title: str, rows: Rows) -> None:
    if not rows:
        return
    columns = [column for column in rows[0] if column != "what"] + ["what"] * ("what" in rows[0])
    cells = [[_shown(row[column]) for column in columns] for row in rows]
    titled = any(type(row[column]) is int for row in rows for column in columns)
    head = [["", *(column.replace("_", " ") for column in columns[1:])]] if titled else []
    widths = [max(len(row[k]) for row in [*cells, *head]) for k in range(len(columns))]
    numeric = [any(type(row[column]) is int for row in rows) for column in columns]
    width = terminal_width()
    print(title)
    for row in [*head, *cells]:
        aligned = [
            cell.rjust(wide) if right else cell.ljust(wide)
            for cell, wide, right in zip(row, widths, numeric, strict=True)
        ]
        line = f"  {'  '.join(aligned)}".rstrip()
        print(line if len(line) <= width else f"{line[: width - 3]}...")
    print()


def terminal_width() -> int:
    """Return how long a line may be; in a file or a pipe there is no end."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10**6


def _data_facts(cls: type[Dataset]) -> dict[str, Any]:
    """Image and classes of a data set whose default is a value; one that asks for files has none to tell."""
    try:
        data = cls()
        if not data.described:  # nothing is read to be listed
            return {"image": None, "classes": None}
        return {"image": _times(data.shape), "classes": data.classes}
    except (TypeError, ValueError, NotImplementedError, AttributeError):
        return {"image": None, "classes": None}


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
    epochs = f"{recipe['epochs']} epoch" + "s" * (recipe["epochs"] != 1)
    return f"{recipe['data']}: {network}; {method}{taught}, {epochs}"


def _model_rows(cls: type[models.Model]) -> Rows:
    try:
        examples = cls.examples()
    except NotImplementedError:  # a model of the user's own
        examples = []
    if not examples:
        nothing = dict.fromkeys(("image", "parameters", "macs", "published_ops"))
        return [{"name": cls.name, "instance": "a network of one's own", **nothing}]
    rows = []
    for example, shape in examples:
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
    """`wrn 16 2`: the architecture and its fields, without those that came later where they are at their defaults."""
    told = [getattr(model, f.name) for f in fields(model) if not (f.metadata.get(ADDED) and _at_default(model, f))]
    values = (_times(value) if isinstance(value, tuple) else str(value) for value in told)
    return " ".join((model.name, *filter(None, values)))


def _at_default(model: models.Model, field: Field[Any]) -> bool:
    return bool(getattr(model, field.name) == field.default)


def _times(numbers: tuple[int, ...]) -> str:
    return "x".join(map(str, numbers))


def _row(name: str, thing: object) -> dict[str, Any]:
    """Name and the first sentence of a docstring."""
    text = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return {"name": name, "what": re.split(r"(?<=[a-z)\]])\. ", text)[0].rstrip(".")}


def _describes(method: type[Method]) -> object:
    """Return whose docstring says what a method is: the file's, of this library; a user's file may hold anything."""
    return inspect.getmodule(method) if method in shipped_kinds(Method).values() else method


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and value >= 1_000_000:
        return f"{value / 1e6:,.2f} M"
    return f"{value:,}" if isinstance(value, int) else str(value)
