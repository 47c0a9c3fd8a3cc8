"""What this library has: for `spikedistill list`."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from spikedistill import data, methods, models, recipe_files
from spikedistill.models.size import size
from spikedistill.neurons import Neuron, Surrogate
from spikedistill.overrides import kinds

Rows = list[dict[str, Any]]


def everything() -> dict[str, Rows]:
    """Return recipes, methods, models, neurons, surrogates and data sets as plain rows."""
    return {
        "recipes": [
            {"name": name, "from": recipe_files.summary(path)} for name, (path, _) in recipe_files.shipped().items()
        ],
        "methods": [_row(name, cls) for name, cls in methods.methods().items()],
        "models": [row for cls in models.models().values() for row in _model_rows(cls)],
        "neurons": [_row(name, cls) for name, cls in kinds(Neuron).items()],
        "surrogates": [_row(name, cls) for name, cls in kinds(Surrogate).items()],
        "data": [
            _row(name, cls) | {"shape": "x".join(map(str, cls().shape)), "classes": cls().classes}
            for name, cls in data.datasets().items()
        ],
    }


def show(parts: dict[str, Rows]) -> None:
    """Print a table for each part."""
    console = Console()
    for title, rows in parts.items():
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
        for column in rows[0]:
            numeric = isinstance(rows[0][column], int)
            table.add_column(column.replace("_", " "), justify="right" if numeric else "left")
        for row in rows:
            table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
        console.print(table)


def _row(name: str, cls: type) -> dict[str, Any]:
    return {"name": name, "what": (cls.__doc__ or "").partition("\n")[0]}


def _model_rows(cls: type[models.Model]) -> Rows:
    rows = []
    for example, shape in cls.examples():
        counted = size(example, shape)
        options = ", ".join(f"{name} {value}" for name, value in vars(example).items())
        rows.append(
            {
                "name": cls.name,
                "options": options,
                "image": "x".join(map(str, shape)),
                "parameters": counted.parameters,
                "macs": counted.macs,
                "published_ops": counted.published_ops,
            }
        )
    return rows
