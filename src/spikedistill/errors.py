"""The door: errors for input from outside."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


class InputError(ValueError):
    """Something from outside is wrong. The message says what was given, what is allowed and what to do.

    The command line prints it in one line and ends with exit code 2; there is no traceback.
    """


def nearest(given: str, allowed: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing where no allowed name is near."""
    by_lower = {name.lower(): name for name in allowed}
    matches = difflib.get_close_matches(given.lower(), by_lower, n=1, cutoff=0.5)
    return f" Did you mean {by_lower[matches[0]]!r}?" if matches else ""


def pick(kind: str, given: str, allowed: Mapping[str, Value]) -> Value:
    """`allowed[given]`.

    Raises:
        InputError: there is none; names the nearest allowed name and lists all of them.
    """
    if given not in allowed:
        raise InputError(f"Unknown {kind} {given!r}.{nearest(given, allowed)} Allowed: {', '.join(allowed)}.")
    return allowed[given]
