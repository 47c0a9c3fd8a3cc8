"""What the fields of a value must satisfy, for its `__post_init__`. Each raises InputError naming kind and field."""

import math

from spikedistill.errors import InputError, nearest


def check_finite(owner: object, *fields: str) -> None:
    """Refuse infinities and NaN."""
    for field in fields:
        if not math.isfinite(getattr(owner, field)):
            _refuse(owner, field, "a finite number")


def check_above(owner: object, *fields: str, bound: float = 0.0, what: str = "") -> None:
    """Refuse what is not finite or not above `bound`, of which `what` says what it is."""
    for field in fields:
        value = getattr(owner, field)
        if not (math.isfinite(value) and value > bound):
            _refuse(owner, field, f"a finite number above {what}{bound:g}")


def check_at_least(owner: object, *fields: str, bound: float = 0.0) -> None:
    """Refuse what is not finite or below `bound`."""
    for field in fields:
        value = getattr(owner, field)
        if not (math.isfinite(value) and value >= bound):
            _refuse(owner, field, f"{bound:g} or more")


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


def _refuse(owner: object, field: str, allowed: str, hint: str = "") -> None:
    raise InputError(f"{field} must be {allowed}, not {getattr(owner, field)!r} ({type(owner).__name__}).{hint}")
