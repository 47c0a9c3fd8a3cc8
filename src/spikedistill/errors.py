"""The door: errors for input from outside, and the ways in which a run ends early."""

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


class InputError(ValueError):
    """Something from outside is wrong. The message says what was given, what is allowed and what to do.

    The command line prints it in one line and ends with exit code 2; there is no traceback.
    """


class UserCodeError(InputError):
    """Code of the user's own has failed: a teacher, a module that is named. What it raised is the error's cause.

    The command line prints its line, and after it the part of the cause's traceback that is the user's.
    """


class Stopped(Exception):  # noqa: N818
    """The user asked to stop; everything is saved and the run can be resumed."""


class Busy(Exception):  # noqa: N818
    """Another process works on what was asked for, and the caller did not want to wait."""


class DivergedError(RuntimeError):
    """A loss term or a weight is not finite. Names the epoch, step, term and last good checkpoint."""


class NotSavedError(OSError):
    """A file cannot be written: the disk is full, say. What was there before stands."""


LONGEST_SHOWN = 200
"""Characters of what was given that a message repeats."""
LONGEST_WORD = 100
"""Characters of a word for which a near name is looked for: longer ones are no misspelling, and take long."""


class _Short(reprlib.Repr):
    """`repr`, cut in length and depth."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = LONGEST_SHOWN
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple = 4, 8, 12, 12

    def repr_int(self, x: int, level: int) -> str:
        """See `reprlib.Repr`; also for those that have more digits than Python prints."""
        try:
            return super().repr_int(x, level)
        except ValueError:
            return f"a whole number of {x.bit_length()} bits"

    def repr_instance(self, x: object, level: int) -> str:
        """See `reprlib.Repr`; also for values that hold themselves, or too much."""
        try:
            return super().repr_instance(x, level)
        except RecursionError:
            return f"<{type(x).__name__}>"


def shown(value: object) -> str:
    """`repr` of what was given, cut where it is long: a message is one line."""
    text = _Short().repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def nearest(given: str, allowed: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing where no allowed name is near."""
    name = nearest_name(given, allowed)
    return "" if name is None else f" Did you mean {name!r}?"


def nearest_name(given: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that is nearest, or None where none is near."""
    if len(given) > LONGEST_WORD:
        return None
    by_lower = {name.lower(): name for name in allowed}
    matches = difflib.get_close_matches(given.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def pick(kind: str, given: str, allowed: Mapping[str, Value]) -> Value:
    """`allowed[given]`.

    Raises:
        InputError: there is none; names the nearest allowed name and lists all of them.
    """
    if given not in allowed:
        raise InputError(f"Unknown {kind} {shown(given)}.{nearest(given, allowed)} Allowed: {', '.join(allowed)}.")
    return allowed[given]
