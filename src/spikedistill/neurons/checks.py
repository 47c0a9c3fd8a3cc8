"""What the numbers in a neuron's recipe must satisfy."""

import math

from spikedistill.errors import InputError


def check_finite(name: str, value: float) -> None:
    """Refuse infinities and NaN.

    Raises:
        InputError: `value` is not finite; names the field.
    """
    if not math.isfinite(value):
        raise InputError(f"{name} must be a finite number, not {value}.")


def check_above(name: str, value: float, bound: float, what: str = "") -> None:
    """Refuse what is not finite or not above `bound`, of which `what` says what it is.

    Raises:
        InputError: names the field and the bound.
    """
    if not (math.isfinite(value) and value > bound):
        raise InputError(f"{name} must be a finite number above {what}{bound:g}, not {value}.")


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Refuse what is not finite or outside of [low, high]; high may be infinite.

    Raises:
        InputError: names the field and the bounds.
    """
    if not (math.isfinite(value) and low <= value <= high):
        upper = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        raise InputError(f"{name} must be a finite number {upper}, not {value}.")
