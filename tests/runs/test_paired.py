"""Paired differences and Holm's correction, against SciPy and a published example."""

import numpy as np
import pytest
from scipy import stats

from spikedistill.runs.cells import Line, numbers
from spikedistill.runs.paired import compared, difference, holm
from spikedistill.table import Row, Table


def test_a_difference_is_scipys_paired_t_test():
    rng = np.random.default_rng(0)
    ours, base = rng.normal(92, 1, 5), rng.normal(91, 1, 5)
    found = difference(dict(enumerate(ours)), dict(enumerate(base)))
    asked = stats.ttest_rel(ours, base)
    low, high = asked.confidence_interval(0.95)
    assert found.p == pytest.approx(asked.pvalue)
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx((low, high))
    assert found.count == 5


def test_only_seeds_that_both_have_are_paired():
    assert difference({0: 2.0, 1: 3.0, 2: 9.0}, {1: 1.0, 2: 6.0, 5: 0.0}).mean == pytest.approx(2.5)
    assert difference({0: 2.0}, {0: 1.0}) is None
    assert difference({0: 2.0, 1: 2.0}, {0: 1.0, 1: 1.0}).p == 0.0
    assert difference({0: 2.0, 1: 2.0}, {0: 2.0, 1: 2.0}).p == 1.0


def test_holm_of_a_published_example():
    """Holm's step-down method by hand: 0.01 * 4, 0.03 * 3 (twice, as 0.04 * 2 may not fall below it), 0.2 * 1."""
    assert holm([0.04, 0.01, 0.2, 0.03]) == pytest.approx([0.09, 0.04, 0.2, 0.09])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def line(group, label, *values):
    row = Row(label, group=group, paper=1.0)
    return Line(row, "", numbers(values), None, {}, (), by_seed=tuple(enumerate(values)))


def test_each_group_has_its_own_baseline_and_its_own_correction():
    lines = [
        line("a", "base", 1.0, 2.0, 3.0),
        line("a", "one", 2.0, 3.5, 4.0),
        line("a", "two", 1.0, 2.5, 3.0),
        line("b", "base", 5.0, 6.0, 7.0),
        line("b", "one", 4.0, 5.5, 6.0),
    ]
    found = compared(Table("t", tuple(one.row for one in lines), baseline="base"), lines)
    assert set(found) == {"a: one", "a: two", "b: one"}
    assert found["a: one"].mean > 0 > found["b: one"].mean
    assert found["a: one"].p_holm == pytest.approx(2 * found["a: one"].p)
    assert found["b: one"].p_holm == found["b: one"].p
