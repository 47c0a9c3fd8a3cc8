"""Numbers of runs as lines for people."""

from collections.abc import Sequence
from typing import Any

from spikedistill.machine.terminal import printable


def print_metrics(metrics: dict[str, object]) -> None:
    """Print the accuracies of a run, a line each."""

    def percent(value: object) -> str:
        return f"{value:.2%}" if isinstance(value, float) else str(value)

    for name, value in metrics.items():
        if not name.startswith("accuracy"):
            continue
        shown = "  ".join(map(percent, value)) if isinstance(value, list | tuple) else percent(value)
        print(printable(f"{name.replace('_', ' '):25} {shown}"))


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of equal keys under their names, in columns as wide as they need: a line is never broken."""
    cells = [list(rows[0]), *([printable(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
