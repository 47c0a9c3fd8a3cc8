"""A figure that is shown, with its words and numbers; and one that cannot be drawn, with the reason."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from spikedistill.errors import shown

MISSHAPEN = (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError, OverflowError)
"""What is raised where an entry of evaluation.json, which anybody can have written, is not as it should be."""


@dataclass(frozen=True)
class Item:
    """A figure."""

    key: str
    """Letters, digits and -; its file is called so."""
    title: str
    description: str
    """What it shows, for those who do not see it."""
    figure: Figure
    heads: tuple[str, ...] = ()
    rows: Sequence[Sequence[object]] = ()
    """Its numbers."""
    source: str = ""
    """The paper's figure that it follows."""


@dataclass(frozen=True)
class Problem:
    """What is not drawn, and why."""

    title: str
    reason: str


def guarded(title: str, make: Callable[[], Iterator[Item | Problem]]) -> Iterator[Item | Problem]:
    """Yield what `make` yields; where an entry is not as it should be, that it is not."""
    try:
        yield from make()
    except MISSHAPEN as error:
        said = f"{type(error).__name__}: {shown(str(error))}"
        yield Problem(title, f"What is stored of it is not as this version writes it ({said}).")


def problem_of(entry: Any) -> str | None:
    """Return why a measure has no numbers; None where it has some."""
    if entry is None:
        return None
    if not isinstance(entry, dict):
        return "it is no object"
    problem = entry.get("problem")
    return None if problem is None else str(problem)


def as_key(*words: object) -> str:
    """Return words as the name of a file and an id: letters, digits and - alone."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(map(str, words)).lower()).strip("-") or "figure"
