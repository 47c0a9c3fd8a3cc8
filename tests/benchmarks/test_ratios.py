"""Ratios on made-up numbers."""

import pytest
from benchmarks.ratios import Spread, ratio, spread


def test_ratios_are_formed_round_by_round():
    # The machine is twice as slow in the second round: the ratio of neighbours does not see it, that of medians does.
    ours, theirs = [1.0, 2.0, 1.0], [3.0, 6.0, 3.5]
    assert ratio(theirs, ours) == Spread(3.0, 3.0, 3.5)


def test_a_contender_beside_itself_is_one():
    assert ratio([0.3, 0.7], [0.3, 0.7]) == Spread(1.0, 1.0, 1.0)


def test_median_of_an_even_number_is_between_the_middle_two():
    assert spread([4.0, 1.0, 2.0, 3.0]) == Spread(2.5, 1.0, 4.0)


@pytest.mark.parametrize(("values", "base"), [([], []), ([1.0], []), ([1.0, None], [1.0, 1.0]), ([1.0], [0.0])])
def test_no_ratio_without_numbers(values, base):
    assert ratio(values, base) is None
