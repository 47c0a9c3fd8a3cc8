"""Figures as SVG within a page, and as files.

Within a page colours are the page's variables, so that they change with its scheme; text is text in the page's type;
ids are the figure's own. Equal figures give equal bytes.
"""

import html
import io
import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from spikedistill.errors import InputError, shown
from spikedistill.machine.state_files import write_atomically
from spikedistill.report.html import Html, text
from spikedistill.report.style import PAPER, SETTINGS, VARIABLES

FORMATS = ("svg", "png")
DOTS = 200
"""Per inch, of a PNG."""
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_USED = re.compile(r"(?:url\(#|href=\"#|^#)([\w.-]+)")
_DROPPED = {"metadata", "style"}
_PLACES = ("x", "y", "width", "height")
_SPACED = re.compile(r" ?([MLCQzZ]) ?")


class Styles:
    """The styles of a page's figures, each a class: thousands of texts and markers share a few dozen."""

    def __init__(self) -> None:
        self.classes: dict[str, str] = {}

    def class_of(self, style: str) -> str:
        """Return the class of a style, a new one for a new style."""
        return self.classes.setdefault(style, f"f{len(self.classes)}")

    @property
    def css(self) -> str:
        """The rules of all classes."""
        return "".join(f".{name}{{{style}}}" for style, name in self.classes.items())


def inline(figure: Figure, key: str, title: str, description: str, styles: Styles) -> Html:
    """Return a figure as an SVG element that a screen reader reads as one picture.

    Args:
        figure: Drawn by `spikedistill.report.figures`.
        key: The figure's own name on the page, of letters, digits and -: its ids begin with it.
        title: What it is.
        description: What it shows, in words.
        styles: Of the page, which gets those of this figure.
    """
    root = ElementTree.fromstring(_rendered(figure, "svg", key))
    # use elements name what they draw, clipped ones what clips them: no other id is kept
    used = {name for node in root.iter() for value in node.attrib.values() for name in _USED.findall(value)}
    ids = {name: f"{key}-{place}" for place, name in enumerate(sorted(used))}
    inner = "".join(_written(node, ids, styles) for node in root)
    box = root.get("viewBox", "")
    about = f"<title>{text(title)}</title><desc>{text(description)}</desc>"
    label = text(f"{title}. {description}")
    return Html(
        f'<svg role="img" aria-label="{label}" viewBox="{box}" xmlns="http://www.w3.org/2000/svg">{about}{inner}</svg>'
    )


def _written(node: ElementTree.Element, ids: dict[str, str], styles: Styles) -> str:
    """Return an element as HTML has it: short, with the page's colours; groups that say nothing are left out."""
    name = node.tag.removeprefix(_SVG)
    if name in _DROPPED:
        return ""
    content = html.escape(node.text.strip() if node.text and node.text.strip() else "")
    content += "".join(_written(inner, ids, styles) for inner in node)
    attributes = "".join(f' {one}="{html.escape(value)}"' for one, value in _attributes(node, ids, styles))
    if name == "path" and node.get("style") == "fill: none":  # the figure's and the axes' own background
        return ""
    if name in ("g", "defs") and not content:
        return ""
    if name == "g" and not attributes:
        return content
    return f"<{name}{attributes}/>" if not content else f"<{name}{attributes}>{content}</{name}>"


def _attributes(node: ElementTree.Element, ids: dict[str, str], styles: Styles) -> Iterator[tuple[str, str]]:
    if node.get("id") in ids:
        yield "id", ids[node.attrib["id"]]
    for raw, value in node.attrib.items():
        name = raw.removeprefix(_XLINK)
        if name == "style":
            if style := _style(value):
                yield "class", styles.class_of(style)
        elif name == "d":
            path = _NUMBER.sub(_rounded, " ".join(value.split()))
            yield name, _SPACED.sub(r"\1", path)
        elif name == "href":
            yield name, "".join(value.split()) if value.startswith("data:") else f"#{ids[value[1:]]}"
        elif name == "clip-path":
            yield name, f"url(#{ids[value[5:-1]]})"
        elif name == "transform" and not value.startswith("rotate(-0 "):
            yield name, re.sub(r"-?\d+\.\d{4,}", lambda found: f"{float(found[0]):.4g}", value)
        elif name in _PLACES:
            yield name, _NUMBER.sub(_rounded, value)


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _style(value: str) -> str:
    """Return a style without its font's name, in the page's colours."""
    kept = [part.strip().replace(": ", ":") for part in value.split(";")]
    kept = [part for part in kept if part and not part.startswith("font-family")]
    coloured = _COLOUR.sub(lambda one: f"var(--{VARIABLES[one[0]]})" if one[0] in VARIABLES else one[0], ";".join(kept))
    return _NUMBER.sub(lambda found: f"{float(found[0]):.3g}", coloured)


def save(figure: Figure, stem: Path, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    """Write a figure as `STEM.svg` and `STEM.png`, on white; returns what was written.

    Raises:
        InputError: there is no such format.
        NotSavedError: a file cannot be written.
    """
    written = []
    for form in formats:
        if form not in FORMATS:
            raise InputError(f"There is no format {shown(form)}. Allowed: {', '.join(FORMATS)}.")
        path = stem.with_name(f"{stem.name}.{form}")
        write_atomically(path, _rendered(figure, form, stem.name, background=PAPER))
        written.append(path)
    return written


def _rendered(figure: Figure, form: str, key: str, background: str = "none") -> bytes:
    out = io.BytesIO()
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": key}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the reader's fonts have it
        metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        figure.savefig(out, format=form, dpi=DOTS, metadata=metadata, facecolor=background)
    return out.getvalue()
