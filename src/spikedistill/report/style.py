"""How all figures look: colours, type and axes; matplotlib without pyplot, so nothing is left behind anywhere."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.figure import Figure

from spikedistill.machine.terminal import printable
from spikedistill.report.settings import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

INK, MUTED, GRID, PAPER = "#1b2128", "#57616d", "#d5dbe2", "#fffffe"
SERIES = ("#0b6e99", "#bf5415", "#2c7a4b", "#8346ad", "#ad1f63", "#766800", "#3d56cf", "#69717c")
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"} | {
    colour: f"c{place}" for place, colour in enumerate(SERIES, 1)
}
"""The page's CSS variable for each colour: in the dark it has others."""
HEAT = (0.165, 0.549, 0.741)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
WIDTH, HEIGHT = 4.8, 3.0
"""Inches of a figure: what a phone is wide, so that its type is read there as it is."""
SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "svg.fonttype": "none",
    "svg.image_inline": True,
    "path.simplify": True,
    "figure.dpi": 100,
}
_PLAIN: dict[Any, Any] = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}


def drawn(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """A function that draws by these settings, whatever a user's own are."""

    @functools.wraps(draw)
    def within(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        with matplotlib.rc_context({**_PLAIN, **SETTINGS}):
            return draw(*arguments, **named)

    return within


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """Return an empty figure of so many inches."""
    return Figure(figsize=(width, height), layout="constrained")


def colour(place: int) -> str:
    """Return the colour of a series; there are eight."""
    return SERIES[place % len(SERIES)]


def marker(place: int) -> str:
    """Return the marker of a series: colour is never the only difference."""
    return MARKERS[place % len(MARKERS)]


def dashes(place: int) -> Any:
    """Return the line style of a series."""
    return DASHES[place % len(DASHES)]


def clean(label: object, longest: int = 34) -> str:
    """Return a text that a figure can show: short, without control characters, no hidden entry of a legend."""
    text = shortened(printable(str(label)).encode("utf-8", "backslashreplace").decode(), longest)
    return f" {text}" if text.startswith("_") else text


def legend(axes: "Axes", handles: Sequence[Any], labels: Sequence[object], columns: int = 2) -> None:
    """A legend below the axes, where it hides nothing; none for a single unnamed series."""
    figure = axes.get_figure()
    if not labels or figure is None:
        return
    texts = [clean(label) for label in labels]
    figure.legend(handles, texts, loc="outside lower left", ncols=min(columns, len(texts)), borderaxespad=0.2)


def percent_limits(values: Sequence[float | None]) -> tuple[float, float]:
    """Return limits in per cent that show these values with some room, within 0 to 100."""
    there = [value for value in values if value is not None]
    low, high = min(there, default=0.0), max(there, default=100.0)
    room = max(0.08 * (high - low), 0.4)
    return max(0.0, low - room), min(101.0 if high > 99 else 100.0, high + room)


def whole_ticks(axes: "Axes", most: int = 8) -> None:
    """Ticks of epochs, steps and severities are whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=most, integer=True, min_n_ticks=1))


def heat(shares: Any) -> Any:
    """Return a picture [..., 4] of values from 0 to 1: one colour that is the denser, the larger; fits both schemes."""
    import numpy as np

    picture = np.empty((*np.shape(shares), 4))
    picture[..., :3] = HEAT
    picture[..., 3] = 0.75 * np.clip(shares, 0.0, 1.0)
    return picture


def energy_unit(largest: float) -> tuple[float, str]:
    """Return what mJ are multiplied by to be shown, and the unit in which this largest one is easily read."""
    for factor, unit in ((1.0, "mJ"), (1e3, "uJ"), (1e6, "nJ")):
        if factor * largest >= 0.1:
            return factor, unit.replace("u", "µ")
    return 1e9, "pJ"
