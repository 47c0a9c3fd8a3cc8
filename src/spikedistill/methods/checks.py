"""Checks of methods' fields, for `__post_init__`."""

import math

from spikedistill.errors import InputError, nearest
from spikedistill.methods.method import Method


def check_fractions(method: Method, *fields: str) -> None:
    """Raise InputError where a field is not between 0 and 1, both included."""
    for field in fields:
        if not 0.0 <= getattr(method, field) <= 1.0:
            _refuse(method, field, "between 0 and 1")


def check_positive(method: Method, *fields: str) -> None:
    """Raise InputError where a field is not above 0 and finite."""
    for field in fields:
        if not 0.0 < getattr(method, field) < math.inf:
            _refuse(method, field, "above 0 and finite")


def check_not_negative(method: Method, *fields: str) -> None:
    """Raise InputError where a field is below 0 or not finite."""
    for field in fields:
        if not 0.0 <= getattr(method, field) < math.inf:
            _refuse(method, field, "0 or above and finite")


def check_finite(method: Method, *fields: str) -> None:
    """Raise InputError where a field is not a finite number."""
    for field in fields:
        if not math.isfinite(getattr(method, field)):
            _refuse(method, field, "finite")


def check_choice(method: Method, field: str, allowed: tuple[str, ...]) -> None:
    """Raise InputError where a field is none of the allowed words."""
    given = getattr(method, field)
    if given not in allowed:
        _refuse(method, field, f"one of {', '.join(allowed)}", nearest(str(given), allowed))


def _refuse(method: Method, field: str, allowed: str, hint: str = "") -> None:
    raise InputError(f"{field} of the method {method.name!r} must be {allowed}, not {getattr(method, field)!r}.{hint}")
