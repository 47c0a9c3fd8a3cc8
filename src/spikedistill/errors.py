"""The door: errors for input from outside, and the ways in which a run ends early."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


class InputError(ValueError):
    """Something from outside is wrong. The message says what was given, what is allowed and what to do.

    The command line prints it in one line and ends with exit code 2; there is no traceback.
    """


class Stopped(Exception):  # noqa: N818
    """The user asked to stop; everything is saved and the run can be resumed."""


class DivergedError(RuntimeError):
    """A loss term or a weight is not finite. Names the epoch, step, term and last good checkpoint."""


class NotSavedError(OSError):
    """A file cannot be written: the disk is full, say. What was there before stands."""


def nearest(given: str, allowed: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing where no allowed name is near."""
    by_lower = {name.lower(): name for name in allowed}
    matches = difflib.get_close_matches(given.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[matches[0]]!r}?" if matches else ""


def pick(kind: str, given: str, allowed: Mapping[str, Value]) -> Value:
    """`allowed[given]`.

    Raises:
        InputError: there is none; names the nearest allowed name and lists all of them.
    """
    if given not in allowed:
        raise InputError(f"Unknown {kind} {given!r}.{nearest(given, allowed)} Allowed: {', '.join(allowed)}.")
    return allowed[given]
