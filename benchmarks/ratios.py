"""Ratios between contenders, formed round by round."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of some numbers."""

    median: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """`1.98 (1.90-2.11)`."""
        return f"{self.median:{spec}} ({self.low:{spec}}-{self.high:{spec}})"


def spread(values: Sequence[float]) -> Spread | None:
    """Of one number per round; None for no rounds."""
    return Spread(median(values), min(values), max(values)) if values else None


def ratio(values: Sequence[float | None], base: Sequence[float | None]) -> Spread | None:
    """Spread of values[k] / base[k] over the rounds k.

    A ratio compares neighbours in time, so that a machine which slows down for a while slows both. None where a number
    is missing or a base is zero.
    """
    pairs = list(zip(values, base, strict=False))
    if not pairs or any(a is None or not b for a, b in pairs):
        return None
    return spread([a / b for a, b in pairs if a is not None and b])
