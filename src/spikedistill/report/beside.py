"""The papers' tables with what is on the page of them."""

from collections.abc import Sequence

from spikedistill.report.html import Html, element
from spikedistill.report.papers import ShownTable
from spikedistill.report.words import counted, percent, short_number
from spikedistill.runs.cells import SIZES, Line, Numbers


def paper_table(shown: ShownTable) -> Html:
    """Return a table with the paper's numbers beside ours; groups of which nothing has run are left out."""
    own = shown.table
    columns = [name for name in own.columns if any(line.columns.get(name) for line in shown.lines)]
    heads = ["", "paper", "ours", "n", "ours - paper", "best epoch", *columns, "state"]
    groups = [group for group in dict.fromkeys(line.row.group for line in shown.lines) if _anything(shown, group)]
    left_out = sum(line.row.group not in groups for line in shown.lines)
    more = f" {counted(left_out, 'row')} of groups without a run not shown." if left_out else ""
    body = []
    for group in groups:
        if group:
            body.append(element("tr", element("th", group, colspan=len(heads), scope="rowgroup"), class_="group"))
        body += [_paper_row(line, columns) for line in shown.lines if line.row.group == group]
    name = f"spikedistill table {shown.name}" + ("" if shown.budget == "paper" else f" --budget {shown.budget}")
    made = element(
        "table",
        element("caption", own.title, element("small", own.source)),
        element("thead", element("tr", [_head(one) for one in heads])),
        element("tbody", body),
    )
    return element(
        "div",
        element("div", made, class_="scroll", tabindex="0", role="region", aria_label=own.title),
        element("p", element("code", name), " ", own.note, more, class_="note"),
        class_="paper-table",
    )


def _anything(shown: ShownTable, group: str) -> bool:
    """Whether a group has a run, or whether no group has one."""
    with_runs = {line.row.group for line in shown.lines if line.folders or line.problem}
    return not with_runs or group in with_runs


def _head(name: str) -> Html:
    return element("th", name, scope="col", class_=None if name in ("", "state") else "number")


def _paper_row(line: Line, columns: Sequence[str]) -> Html:
    paper = None if line.row.paper is None else Numbers(line.row.paper, line.row.paper_deviation, 1)
    cells = [
        percent(paper),
        element("strong", percent(line.accuracy)) if line.accuracy else "–",
        "" if line.accuracy is None else str(line.accuracy.count),
        "" if line.difference is None else f"{line.difference:+.2f}",
        percent(line.best) if line.best else "",
        *(_column(name, line.columns.get(name)) for name in columns),
    ]
    made = [element("td", one, class_="number") for one in cells]
    return element(
        "tr",
        element("th", line.row.label, scope="row"),
        made,
        element("td", line.problem or line.state, class_="aside"),
        class_=None if line.accuracy else "empty-row",
    )


def _column(name: str, numbers: Numbers | None) -> str:
    if numbers is None:
        return ""
    return short_number(numbers.mean) if name in SIZES or abs(numbers.mean) < 0.1 else percent(numbers)
