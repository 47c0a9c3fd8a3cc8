"""What the fields of a value must satisfy, for its `__post_init__`. Each raises InputError naming kind and field.

Every bound that is not the mathematics' own says what is absurd: a number beyond it would only end later, in an
allocator's error or in a loss that is not finite.
"""

import math

from spikedistill.errors import InputError, nearest, shown


def check_finite(owner: object, *fields: str) -> None:
    """Refuse infinities and NaN."""
    for field in fields:
        if not _finite(getattr(owner, field)):
            _refuse(owner, field, "a finite number")


def check_count(owner: object, *fields: str, low: int = 1, high: int) -> None:
    """Refuse what is not a whole number from `low` to `high`, both included."""
    for field in fields:
        value = getattr(owner, field)
        if type(value) is not int:
            _refuse(owner, field, "a whole number")
        if value < low:
            _refuse(owner, field, f"{low} or more")
        if value > high:
            _refuse(owner, field, f"at most {high}")


def check_counts(owner: object, *fields: str, fewest: int = 0, most: int, high: int) -> None:
    """Refuse what is not a tuple of `fewest` to `most` whole numbers, each from 1 to `high`."""
    for field in fields:
        values = getattr(owner, field)
        if not fewest <= len(values) <= most:
            _refuse(owner, field, f"{fewest} to {most} numbers")
        if not all(type(value) is int and 1 <= value <= high for value in values):
            _refuse(owner, field, f"whole numbers from 1 to {high}")


def check_above(owner: object, *fields: str, bound: float = 0.0, what: str = "", most: float = math.inf) -> None:
    """Refuse what is not finite, not above `bound`, of which `what` says what it is, or above `most`."""
    for field in fields:
        value = getattr(owner, field)
        if not (_finite(value) and value > bound):
            _refuse(owner, field, f"a finite number above {what}{bound:g}")
        _check_most(owner, field, most)


def check_below(owner: object, *fields: str, bound: float, what: str = "") -> None:
    """Refuse what is not finite or not below `bound`, of which `what` says what it is."""
    for field in fields:
        value = getattr(owner, field)
        if not (_finite(value) and value < bound):
            _refuse(owner, field, f"a finite number below {what}{bound:g}")


def check_at_least(owner: object, *fields: str, bound: float = 0.0, most: float = math.inf) -> None:
    """Refuse what is not finite, below `bound` or above `most`."""
    for field in fields:
        value = getattr(owner, field)
        if not (_finite(value) and value >= bound):
            _refuse(owner, field, f"{bound:g} or more")
        _check_most(owner, field, most)


def check_share(owner: object, *fields: str) -> None:
    """Refuse what is not between 0 and 1, both included."""
    for field in fields:
        if not 0.0 <= getattr(owner, field) <= 1.0:
            _refuse(owner, field, "between 0 and 1")


def check_choice(owner: object, field: str, allowed: tuple[str, ...]) -> None:
    """Refuse what is none of the allowed words."""
    given = getattr(owner, field)
    if given not in allowed:
        _refuse(owner, field, f"one of {', '.join(allowed)}", nearest(str(given), allowed))


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _check_most(owner: object, field: str, most: float) -> None:
    if getattr(owner, field) > most:
        _refuse(owner, field, f"at most {most:g}")


def _refuse(owner: object, field: str, allowed: str, hint: str = "") -> None:
    raise InputError(f"{field} must be {allowed}, not {shown(getattr(owner, field))} ({type(owner).__name__}).{hint}")
