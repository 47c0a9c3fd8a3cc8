"""The papers' tables with what is on the page of them."""

from itertools import groupby

from spikedistill.report.html import Html, element
from spikedistill.report.papers import NOT_HERE, ShownTable
from spikedistill.report.words import counted, percent, short_number
from spikedistill.runs.cells import SIZES, Line, Numbers

ALIGNED_LEFT = ("row", "state")


def paper_table(shown: ShownTable) -> Html:
    """Return a table with the paper's numbers beside ours.

    Of a table that was found by its runs, groups of which nothing is here are left out, and rows that have neither a
    run nor a paper's number.
    """
    own = shown.table
    here = {line.row.group for line in shown.lines if line.state != NOT_HERE and line.row.recipe is not None}
    lines = [line for line in shown.lines if line.row.group in here and (line.state != NOT_HERE or _printed(line))]
    cells = [_cells(shown, line) for line in lines]
    heads = [name for name in cells[0] if name in ALIGNED_LEFT or any(row[name] for row in cells)]
    body = []
    for group, rows in groupby(zip(lines, cells, strict=True), lambda pair: pair[0].row.group):
        if group:
            body.append(element("tr", element("th", group, colspan=len(heads), scope="rowgroup"), class_="group"))
        body += [_row([row[name] for name in heads], heads, line) for line, row in rows]
    left_out = len(shown.lines) - len(lines)
    more = f" {counted(left_out, 'row')} without a run not shown." if left_out else ""
    command = f"spikedistill table {shown.name}" + ("" if shown.budget == "paper" else f" --budget {shown.budget}")
    made = element(
        "table",
        element("caption", own.title, element("small", own.source)),
        element("thead", element("tr", [element("th", one, scope="col", class_=_aligned(one)) for one in heads])),
        element("tbody", body),
    )
    return element(
        "div",
        element("div", made, class_="scroll", tabindex="0", role="region", aria_label=own.title),
        element("p", element("code", command), " ", own.note, more, class_="note"),
        class_="paper-table",
    )


def _printed(line: Line) -> bool:
    return line.row.paper is not None or bool(line.row.numbers)


def _cells(shown: ShownTable, line: Line) -> dict[str, str]:
    """Return what is shown of a row, by heading."""
    row = line.row
    cells = {
        "row": row.label,
        "paper": "" if row.paper is None else percent(Numbers(row.paper, row.paper_deviation, 1)),
        "ours": "" if line.accuracy is None else percent(line.accuracy),
        "n": "" if line.accuracy is None else str(line.accuracy.count),
        "ours - paper": "" if line.difference is None else f"{line.difference:+.2f}",
        "best epoch": "" if line.best is None else percent(line.best),
    }
    for name in shown.table.columns:
        cells[f"{name}, paper"] = f"{row.numbers[name]:g}" if name in row.numbers else ""
        cells[name] = _column(name, line.columns.get(name))
    return cells | {"state": line.problem or line.state}


def _aligned(head: str) -> str | None:
    return None if head in ALIGNED_LEFT else "number"


def _row(cells: list[str], heads: list[str], line: Line) -> Html:
    made = [
        element("td", element("strong", text) if name == "ours" and text else text, class_=_aligned(name))
        for name, text in zip(heads[1:-1], cells[1:-1], strict=True)
    ]
    first, last = element("th", cells[0], scope="row"), element("td", cells[-1], class_="aside")
    return element("tr", first, made, last, class_=None if line.accuracy else "empty-row")


def _column(name: str, numbers: Numbers | None) -> str:
    if numbers is None:
        return ""
    return short_number(numbers.mean) if name in SIZES or abs(numbers.mean) < 0.1 else percent(numbers)
