"""What a recipe refuses, and the names of its parts."""

from dataclasses import replace

import pytest

from spikedistill.errors import InputError
from spikedistill.neurons import IF, ReLU
from spikedistill.teachers import FromModule


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be 1 or more, not 0"),
        ({"steps": -4}, "steps must be 1 or more, not -4"),
        ({"epochs": 0}, "epochs must be 1 or more"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"clip_norm": -1.0}, "clip_norm must be 0 or more"),
        ({"clip_norm": float("nan")}, "clip_norm must be 0 or more"),
        ({"ema": 1.0}, r"ema must be in \[0, 1\)"),
        ({"ema": -0.1}, r"ema must be in \[0, 1\)"),
        ({"ema": float("nan")}, r"ema must be in \[0, 1\)"),
        ({"seed": -1}, "seed must be between 0 and"),
        ({"seed": 2**31}, "seed must be between 0 and"),
        ({"name": "../elsewhere"}, "name must be letters"),
        ({"name": ".hidden"}, "name must be letters"),
        ({"name": ""}, "name must be letters"),
        ({"name": "two words"}, "name must be letters"),
    ],
)
def test_impossible_numbers_are_refused(student, changes, message):
    with pytest.raises(InputError, match=message):
        replace(student, **changes)


def test_an_ann_has_one_time_step(student):
    assert replace(student, neuron=IF(), steps=7).time_steps == 7
    assert replace(student, neuron=ReLU(), steps=7).time_steps == 1


def test_a_teachers_deviation_is_above_zero():
    with pytest.raises(InputError, match="std must be above 0"):
        FromModule("a:b", std=(0.2, 0.0))
