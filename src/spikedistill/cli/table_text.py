"""A table as text, Markdown, LaTeX, CSV or JSON."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from spikedistill.machine.terminal import printable
from spikedistill.runs.cells import SIZES, Line, Numbers
from spikedistill.runs.paired import Difference, compared
from spikedistill.table import Table

Groups = list[tuple[str, list[dict[str, str]]]]
"""Heading of each group, and its rows by heading of the column."""
PLAIN_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def printed(form: str, table: Table, lines: Sequence[Line], budget: str) -> str:
    """Return a table in one of the forms `text`, `markdown`, `latex`, `csv` and `json`."""
    differences = compared(table, lines)
    return FORMS[form](table, lines, differences, budget)


def _cells(table: Table, line: Line, difference: Difference | None) -> dict[str, str]:
    """Return what is printed of a row, by heading."""
    row = line.row
    paper = None if row.paper is None else Numbers(row.paper, row.paper_deviation, 1)
    cells = {
        "row": row.label,
        "paper": _number(paper),
        "ours": _number(line.accuracy),
        "n": "" if line.accuracy is None else str(line.accuracy.count),
        "difference": "" if line.difference is None else f"{line.difference:+.2f}",
        "best epoch": _number(line.best),
    }
    for name in table.columns:
        cells[f"{name}, paper"] = f"{row.numbers[name]:g}" if name in row.numbers else ""
        cells[name] = _size(line.columns.get(name)) if name in SIZES else _number(line.columns.get(name))
    if table.baseline:
        cells[f"- {table.baseline} (95 %)"] = (
            "" if difference is None else f"{difference.mean:+.2f} ± {difference.half_width:.2f}"
        )
        cells["p (Holm)"] = "" if difference is None else _p(difference.p_holm)
    return cells | {"state": line.problem or line.state}


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _number(numbers: Numbers | None) -> str:
    if numbers is None:
        return ""
    digits = ".2f" if abs(numbers.mean) >= 0.1 or not numbers.mean else ".2g"
    deviation = "" if numbers.deviation is None else f" ± {numbers.deviation:{digits}}"
    return f"{numbers.mean:{digits}}{deviation}"


def _size(numbers: Numbers | None) -> str:
    """Return a number of weights, or of millions of them."""
    if numbers is None:
        return ""
    return f"{numbers.mean:,.0f}" if numbers.mean >= 1000 else f"{numbers.mean:.2f}"


def _grid(table: Table, lines: Sequence[Line], differences: dict[str, Difference]) -> Groups:
    """Return the rows of each group, without the columns that are empty throughout."""
    cells = [(line.row.group, _cells(table, line, differences.get(line.row.title))) for line in lines]
    used = [name for name in cells[0][1] if name in ("row", "state") or any(row[name] for _, row in cells)]
    kept = [(group, {name: row[name] for name in used}) for group, row in cells]
    return [(group, [row for _, row in rows]) for group, rows in groupby(kept, lambda pair: pair[0])]


def _facts(table: Table, budget: str) -> list[str]:
    """Return what stands below a table: where it is from, and what its numbers are."""
    numbers = "accuracy in %, last epoch, mean ± standard deviation over n seeds"
    if any(row.paper is not None for row in table.rows):
        numbers += "; difference: ours - paper"
    holm = "; p of paired t-tests, corrected for their number (Holm)" if table.baseline else ""
    return [line for line in (table.source, table.note, f"Budget {budget}: {numbers}{holm}.") if line]


def _text(table: Table, lines: Sequence[Line], differences: dict[str, Difference], budget: str) -> str:
    groups = _grid(table, lines, differences)
    heads = list(groups[0][1][0])
    every = [[printable(cell) for cell in row.values()] for _, rows in groups for row in rows]
    widths = [max(len(text) for text in column) for column in zip(heads, *every, strict=True)]

    def line_of(cells: Sequence[str]) -> str:
        aligned = [
            cell.ljust(wide) if name in ("row", "state") else cell.rjust(wide)
            for name, cell, wide in zip(heads, cells, widths, strict=True)
        ]
        return "  ".join(aligned).rstrip()

    out = [printable(table.title), "", line_of(["" if name == "row" else name for name in heads])]
    for group, rows in groups:
        out += [printable(group)] if group else []
        out += [line_of([printable(cell) for cell in row.values()]) for row in rows]
    return "\n".join([*out, "", *map(printable, _facts(table, budget))])


def _markdown(table: Table, lines: Sequence[Line], differences: dict[str, Difference], budget: str) -> str:
    groups = _grid(table, lines, differences)
    heads = list(groups[0][1][0])

    def line_of(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    out = [f"**{table.title}**", "", line_of(["" if name == "row" else name for name in heads])]
    out.append("|" + "|".join("---" if name in ("row", "state") else "---:" for name in heads) + "|")
    for group, rows in groups:
        out += [line_of([f"*{group}*", *[""] * (len(heads) - 1)])] if group else []
        out += [line_of(list(row.values())) for row in rows]
    return "\n".join([*out, "", " ".join(_facts(table, budget))])


def _latex(table: Table, lines: Sequence[Line], differences: dict[str, Difference], budget: str) -> str:
    groups = _grid(table, lines, differences)
    heads = [name for name in groups[0][1][0] if name != "state"]

    def line_of(cells: Sequence[str]) -> str:
        return " & ".join(_tex(cell) for cell in cells) + r" \\"

    out = [*(f"% {text}" for text in (table.title, *_facts(table, budget))), "% needs booktabs"]
    out += [rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\toprule"]
    out += [line_of(["" if name == "row" else name for name in heads]), r"\midrule"]
    for place, (group, rows) in enumerate(groups):
        out += [r"\midrule"] if place else []
        out += [rf"\multicolumn{{{len(heads)}}}{{l}}{{{_tex(group)}}} \\"] if group else []
        out += [line_of([row[name] for name in heads]) for row in rows]
    return "\n".join([*out, r"\bottomrule", r"\end{tabular}"])


def _tex(text: str) -> str:
    return "".join(PLAIN_SIGNS.get(sign, sign) for sign in text).replace("±", r"$\pm$")


def _csv(table: Table, lines: Sequence[Line], differences: dict[str, Difference], budget: str) -> str:
    out = io.StringIO()
    records = [_record(table, line, differences.get(line.row.title), budget) for line in lines]
    flat = [{name: value for name, value in record.items() if not isinstance(value, dict | list)} for record in records]
    for record, row in zip(records, flat, strict=True):
        for name, numbers in record["columns"].items():
            row[f"{name}_paper"], row[f"{name}_mean"] = numbers["paper"], numbers["mean"]
            row[f"{name}_deviation"] = numbers["deviation"]
    writer = csv.DictWriter(out, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue().rstrip("\n")


def _json(table: Table, lines: Sequence[Line], differences: dict[str, Difference], budget: str) -> str:
    rows = [_record(table, line, differences.get(line.row.title), budget) for line in lines]
    return json.dumps({"title": table.title, "source": table.source, "note": table.note, "rows": rows}, indent=2)


def _record(table: Table, line: Line, difference: Difference | None, budget: str) -> dict[str, Any]:
    """Return all that is known of a row; accuracies in per cent."""
    mean, deviation, count = _three(line.accuracy)
    best, best_deviation, _ = _three(line.best)
    record: dict[str, Any] = {
        "group": line.row.group,
        "row": line.row.label,
        "budget": budget,
        "paper": line.row.paper,
        "paper_deviation": line.row.paper_deviation,
        "mean": mean,
        "deviation": deviation,
        "n": count,
        "best_mean": best,
        "best_deviation": best_deviation,
        "difference": line.difference,
        "state": line.state,
        "problem": line.problem,
    }
    if table.baseline:
        record |= {
            "baseline": table.baseline,
            "to_baseline": difference and difference.mean,
            "to_baseline_half_width": difference and difference.half_width,
            "to_baseline_pairs": difference and difference.count,
            "to_baseline_p": difference and difference.p,
            "to_baseline_p_holm": difference and difference.p_holm,
        }
    columns = {}
    for name in table.columns:
        at, spread, _ = _three(line.columns.get(name))
        columns[name] = {"paper": line.row.numbers.get(name), "mean": at, "deviation": spread}
    return record | {"columns": columns, "by_seed": dict(line.by_seed), "runs": list(line.folders)}


def _three(numbers: Numbers | None) -> tuple[float | None, float | None, int]:
    return (None, None, 0) if numbers is None else (numbers.mean, numbers.deviation, numbers.count)


FORMS: dict[str, Callable[[Table, Sequence[Line], dict[str, Difference], str], str]] = {
    "text": _text,
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
    "json": _json,
}
