"""HTML from Python: whatever is no `Html` already is text, and is escaped."""

import html
from collections.abc import Iterable

from spikedistill.machine.terminal import printable


class Html(str):
    """Text that is markup."""

    __slots__ = ()


VOID = {"meta", "input", "br", "link"}


def text(value: object) -> Html:
    """Return anything as text: control characters and signs that turn the direction of writing are written out."""
    lines = "\n".join(printable(line) for line in str(value).split("\n"))
    clean = lines.encode("utf-8", "backslashreplace").decode()
    return Html(html.escape(clean))


def markup(child: object) -> str:
    """Return a child of an element: markup as it is, lists one after the other, the rest as text; nothing of None."""
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str) or not isinstance(child, Iterable):
        return text(child)
    return "".join(markup(one) for one in child)


def element(name: str, /, *children: object, **attributes: object) -> Html:
    """Return an element. `class_` is the attribute class, `data_x` is data-x; None and False leave one out."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{''.join(map(markup, children))}</{name}>")


def table(heads: Iterable[object], rows: Iterable[Iterable[object]], caption: str, class_: str = "") -> Html:
    """Return a table of plain cells, the first of each row its heading; numbers are aligned to the right."""
    head = element("tr", [element("th", one, scope="col") for one in heads])
    body = [element("tr", [_cell(place, one) for place, one in enumerate(row)]) for row in rows]
    made = element("table", element("caption", caption), element("thead", head), element("tbody", body))
    return element("div", made, class_=f"scroll {class_}".strip(), tabindex="0", role="region", aria_label=caption)


def _cell(place: int, value: object) -> Html:
    shown = f"{value:.4g}" if isinstance(value, float) else value
    if place == 0:
        return element("th", shown, scope="row")
    return element("td", shown, class_="number" if isinstance(value, int | float) else None)
