"""Rows of a table compared with one of them: differences paired by seed, and what holds of several at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import sqrt
from statistics import mean, stdev

from scipy import stats

from spikedistill.runs.cells import Line
from spikedistill.table import Table

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """Mean difference of paired values, with Student's t."""

    mean: float
    half_width: float
    """Of the 95 % confidence interval, of this difference alone."""
    p: float
    """Of the two-sided paired t-test."""
    count: int
    """Pairs."""
    p_holm: float = 1.0
    """Corrected by Holm's step-down method (1979) for all that are compared at once."""


def compared(table: Table, lines: Sequence[Line]) -> dict[str, Difference]:
    """Return each row's difference to the baseline of its group, by the row's title; none where there is no baseline.

    Holm's correction is for the comparisons of one group.
    """
    found: dict[str, Difference] = {}
    for _, group in groupby(lines, lambda line: line.row.group):
        own = list(group)
        base = next((line for line in own if line.row.label == table.baseline), None)
        if base is None:
            continue
        others = [(line, difference(dict(line.by_seed), dict(base.by_seed))) for line in own if line is not base]
        there = [(line.row.title, one) for line, one in others if one is not None]
        for (title, one), p in zip(there, holm([one.p for _, one in there]), strict=True):
            found[title] = replace(one, p_holm=p)
    return found


def difference(values: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """Return values - baseline over the seeds that both have; None for fewer than two of them."""
    pairs = [values[seed] - baseline[seed] for seed in sorted(values.keys() & baseline.keys())]
    if len(pairs) < 2:
        return None
    at, error, free = mean(pairs), stdev(pairs) / sqrt(len(pairs)), len(pairs) - 1
    if error == 0.0:  # all pairs alike: certain, or no difference at all
        return Difference(at, 0.0, 1.0 if at == 0.0 else 0.0, len(pairs))
    half_width = float(stats.t.ppf((1 + LEVEL) / 2, free)) * error
    return Difference(at, half_width, float(2 * stats.t.sf(abs(at) / error, free)), len(pairs))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number: the k-th smallest of n times n - k + 1, never below one before it."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected
