"""Bounds of fields, and messages that stay short whatever was given."""

import math
import time
from dataclasses import dataclass, replace

import pytest

from spikedistill.errors import LONGEST_SHOWN, InputError, nearest, pick, shown
from spikedistill.methods import TSER
from spikedistill.values.checks import check_above, check_at_least, check_count, check_finite


@dataclass
class Value:
    x: object


@pytest.mark.parametrize("given", [0, -3, 11, 10**25, 2.0, "3", True, None, math.nan])
def test_a_count_is_a_whole_number_within_its_bounds(given):
    check_count(Value(1), "x", high=10)
    check_count(Value(10), "x", high=10)
    with pytest.raises(InputError, match=r"x must be (a whole number|1 or more|at most 10), not .* \(Value\)"):
        check_count(Value(given), "x", high=10)


@pytest.mark.parametrize("given", [math.inf, math.nan, 10**401, 1e7])
def test_numbers_beyond_all_bounds(given):
    for check in (check_above, check_at_least):
        with pytest.raises(InputError, match="x must be"):
            check(Value(given), "x", most=1e6)
    if given != 1e7:
        with pytest.raises(InputError, match="x must be a finite number"):
            check_finite(Value(given), "x")


@pytest.mark.parametrize(
    "changes",
    [{"steps": 10**9}, {"epochs": 10**23 - 1}, {"batch_size": 10**12}, {"steps": 10**5000}],
    ids=lambda changes: "-".join(changes),
)
def test_absurd_sizes_of_recipes_are_refused(student, changes):
    with pytest.raises(InputError, match="must be at most"):
        replace(student, **changes)


def test_a_temperature_whose_square_is_no_number():
    """It was found after the teacher had been trained: an OverflowError."""
    with pytest.raises(InputError, match=r"temperature must be at most 1e\+06"):
        TSER(temperature=1e308)


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


LARGE = {
    "string": "x" * 10**8,
    "list": [1] * 10**6,
    "number": 10**5000,
    "nested": nested(10**5),
    "object": {str(k): k for k in range(10**5)},
}


@pytest.mark.parametrize("given", LARGE.values(), ids=LARGE)
def test_messages_repeat_little_of_what_was_given(given):
    begun = time.process_time()
    assert len(shown(given)) <= LONGEST_SHOWN + 3
    assert time.process_time() - begun < 1.0


def test_no_near_name_is_looked_for_of_a_very_long_word():
    word = "t" * 10**8
    begun = time.process_time()
    assert nearest(word, ["tser", "kdsnn"]) == ""
    with pytest.raises(InputError) as caught:
        pick("method", word, {"tser": 1})
    assert len(str(caught.value)) < 300
    assert time.process_time() - begun < 1.0


def test_short_things_are_shown_whole():
    assert shown("it's") == repr("it's")
    assert shown({"a": (1, 2.5, None)}) == "{'a': (1, 2.5, None)}"
