"""Phases as pure functions of the share of images seen; what does not fit together is refused."""

import pytest

from spikedistill.errors import InputError
from spikedistill.optim.phases import Phase, Settings, check_phases, settings_at

DEFAULT = Settings(4, "time", 32, 1.0)


def test_without_phases_everything_is_as_the_recipe_says():
    assert {settings_at((), share, DEFAULT) for share in (0.0, 0.3, 0.999)} == {DEFAULT}


def test_a_phase_ends_where_it_says():
    phases = (Phase(0.25, steps=1), Phase(0.5, batch_size=8, rate=2.0), Phase(1.0, backward="rate"))
    check_phases(phases)
    one, two, three = Settings(1, "time", 32, 1.0), Settings(4, "time", 8, 2.0), Settings(4, "rate", 32, 1.0)
    shares = (0.0, 0.2499, 0.25, 0.49, 0.5, 0.999)
    assert [settings_at(phases, share, DEFAULT) for share in shares] == [one, one, two, two, three, three]


@pytest.mark.parametrize("ends", [(0.5,), (0.5, 0.5, 1.0), (0.6, 0.3, 1.0), (1.0, 1.0)])
def test_phases_follow_each_other_to_the_end(ends):
    with pytest.raises(InputError, match="phases must end one after the other and the last at 1, not at"):
        check_phases([Phase(end) for end in ends])


@pytest.mark.parametrize(
    "wrong",
    [
        {"until": 0.0},
        {"until": 1.1},
        {"until": float("nan")},
        {"until": 1.0, "steps": 0},
        {"until": 1.0, "batch_size": 0},
        {"until": 1.0, "rate": 0.0},
        {"until": 1.0, "fewest_steps": 0},
    ],
)
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(InputError, match=f"{list(wrong)[-1]} must be"):
        Phase(**wrong)


def test_what_a_phase_draws_from_is_said():
    phases = (Phase(0.5, fewest_steps=2), Phase(1.0, steps=8, fewest_steps=1))
    asked = [settings_at(phases, share, DEFAULT) for share in (0.2, 0.7)]
    assert [(one.fewest_steps, one.steps) for one in asked] == [(2, 4), (1, 8)]
