"""A row's lines as a table in Markdown."""

from collections.abc import Mapping
from typing import Any

HEADER = (
    "contender",
    "ms",
    "per second",
    "time / base",
    "peak MiB",
    "peak / base",
    "saved MiB",
    "saved / base",
    "bytes per neuron-step",
)


def table(lines: list[dict[str, Any]]) -> str:
    """Heading and table. A contender's time / base of 2 says that the base is twice as fast."""
    first = lines[0]
    heading = f"{first['row']}: B {first['batch']}, T {first['steps']}; base {first['base']}"
    heading += f", {first['rounds']} rounds" + (", QUICK: sizes mean nothing" if first["quick"] else "")
    body = [[*HEADER], ["-" * len(name) for name in HEADER], *map(cells, lines)]
    widths = [max(len(row[k]) for row in body) for k in range(len(HEADER))]
    drawn = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in body]
    return "\n".join([heading, "", *drawn])


def cells(line: Mapping[str, Any]) -> list[str]:
    """One row of the table."""
    if line["note"]:
        return [line["contender"], line["note"], *[""] * (len(HEADER) - 2)]
    return [
        line["contender"],
        line["ms"],
        line["per_second"],
        _with_spread(line, "time_ratio"),
        line.get("peak_mib", ""),
        _with_spread(line, "peak_ratio"),
        line.get("saved_mib", ""),
        line.get("saved_ratio", ""),
        line.get("saved_bytes_per_neuron_step", ""),
    ]


def _with_spread(line: Mapping[str, Any], name: str) -> str:
    if name not in line:
        return ""
    return f"{float(line[name]):.2f} ({float(line[name + '_low']):.2f}-{float(line[name + '_high']):.2f})"
