"""The page: one file of HTML with its style, script and pictures in it. It asks nothing of any network."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources

import spikedistill
from spikedistill.report import overview
from spikedistill.report.beside import paper_table
from spikedistill.report.contents import Contents
from spikedistill.report.details import article
from spikedistill.report.html import Html, element, table, text
from spikedistill.report.items import Item, Problem
from spikedistill.report.settings import Setting, data_words
from spikedistill.report.single import MEASURES, items_of
from spikedistill.report.stored import Unread
from spikedistill.report.svg import Styles, inline
from spikedistill.report.together import items_of_all
from spikedistill.report.words import counted, percent

MOST_OF_MEASURES = 1_900_000
"""Bytes of the figures of single settings, beside their curves: a page of fifty runs stays below three million."""


def page(contents: Contents, title: str = "Runs") -> str:
    """Return a whole page.

    Args:
        contents: What it shows.
        title: Its heading.
    """
    style, script = _file("page.css"), _file("page.js")
    styles = Styles()
    parts = [(key, name, list(content)) for key, name, content in _parts(contents, styles)]
    style += styles.css
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"spikedistill {spikedistill.__version__}"),
        element("title", title),
        element("style", Html(style)),
    )
    links = [element("a", name, href=f"#{key}") for key, name, _ in parts]
    body = element(
        "body",
        element("a", "Skip to the runs", href="#runs", class_="skip"),
        element("header", element("h1", title), _summary(contents), element("nav", links, aria_label="Parts")),
        element("main", [_section(key, name, content) for key, name, content in parts]),
        _dialog(),
        element("footer", f"Written by spikedistill {spikedistill.__version__} from stored runs; nothing is loaded."),
        element("script", Html(script)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _hash(inline_text: str) -> str:
    """Return what a policy allows an element with this content by, and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(inline_text.encode()).digest()).decode()}"


def _file(name: str) -> str:
    return resources.files("spikedistill.report").joinpath(name).read_text(encoding="utf-8")


def _summary(contents: Contents) -> Html:
    data = {data_words(setting.recipe) for setting in contents.settings}
    unfinished = sum(not run.finished for run in contents.runs)
    said = [counted(len(contents.runs), "run"), counted(len(contents.settings), "setting")]
    said.append(counted(len(data), "data set"))
    said += [f"{unfinished} unfinished"] if unfinished else []
    return element("p", " · ".join(said), class_="lead")


def _parts(contents: Contents, styles: Styles) -> Iterator[tuple[str, str, Iterable[Html]]]:
    """Yield key, heading and content of each part that has something to show."""
    if not contents.settings:
        yield "runs", "Runs", [element("p", "There is no run to show.", class_="empty")]
    else:
        yield "runs", "Runs", [_highlights(contents), overview.table(contents)]
    drawn = [figure(item, styles) for item in items_of_all(contents)]
    if drawn:
        yield "figures", "Figures", [element("div", drawn, class_="figures")]
    if contents.tables:
        yield "tables", "Tables", map(paper_table, contents.tables)
    if contents.settings:
        yield "details", "Each setting", _articles(contents, styles)
    if contents.unread:
        yield "unread", "Not shown", [_unread(contents.unread)]


def _articles(contents: Contents, styles: Styles) -> Iterator[Html]:
    """Yield each setting in full; what was measured of it as long as the page stays small."""
    spent = 0
    for setting in contents.settings:
        room = spent < MOST_OF_MEASURES
        drawn = [figure(item, styles) for item in items_of(setting, room)]
        spent += sum(map(len, drawn[1:]))
        if not room and set(MEASURES) & {one.get("what") for run in setting.runs for one in run.evaluations}:
            left_out = "The figures of its measures are left out: the page would be too large. Name its run alone."
            drawn.append(element("p", left_out, class_="note"))
        yield article(setting, contents, drawn)


def _section(key: str, name: str, content: Iterable[Html]) -> Html:
    heading = f"{key}-heading"
    return element("section", element("h2", name, id=heading), content, id=key, aria_labelledby=heading)


def _dialog() -> Html:
    close = element("button", "Close", type="button", id="close")
    return element("dialog", close, element("div", id="opened"), id="dialog", aria_label="One setting")


def _highlights(contents: Contents) -> Html:
    """The best spiking and the best other network on each data set."""
    by_data: dict[str, list[Setting]] = {}
    for setting in contents.settings:
        if setting.accuracy is not None:
            by_data.setdefault(data_words(setting.recipe), []).append(setting)
    return element("ul", [_highlight(name, some) for name, some in by_data.items()], class_="highlights")


def _highlight(data: str, settings: Sequence[Setting]) -> Html:
    def best(some: Iterable[Setting], words: str) -> Html | None:
        found = max(some, key=lambda one: one.accuracy.mean if one.accuracy else 0.0, default=None)
        if found is None or found.accuracy is None:
            return None
        link = element("a", found.label, href=f"#setting-{found.key[:10]}")
        return element("p", element("strong", f"{percent(found.accuracy)} %"), " ", element("small", words), link)

    return element(
        "li",
        element("h3", data),
        best((one for one in settings if one.spiking), "best SNN "),
        best((one for one in settings if not one.spiking), "best ANN "),
    )


def figure(item: Item | Problem, styles: Styles) -> Html:
    """Return a figure with its title, the paper's figure that it follows, and its numbers to unfold."""
    if isinstance(item, Problem):
        return element("figure", element("figcaption", item.title), element("p", item.reason, class_="empty"))
    caption = element("figcaption", item.title, element("small", item.source) if item.source else None)
    drawn = inline(item.figure, item.key, item.title, item.description, styles)
    numbers = None
    if item.rows:
        unfold = element("summary", "Numbers")
        numbers = element("details", unfold, table(item.heads, item.rows, item.title))
    return element("figure", caption, drawn, element("p", item.description, class_="note"), numbers, id=item.key)


def _unread(unread: Sequence[Unread]) -> Html:
    """Folders and reasons; one reason that many share is said once."""
    by_reason: dict[str, list[str]] = {}
    for one in unread:
        by_reason.setdefault(one.reason.replace(str(one.folder), "It"), []).append(str(one.folder))
    items = []
    for reason, folders in by_reason.items():
        names = element("ul", [element("li", element("code", name)) for name in folders])
        several = element("details", element("summary", counted(len(folders), "folder")), names)
        items.append(element("li", element("p", text(reason)), several if len(folders) > 1 else names))
    return element("ul", items, class_="unread")
