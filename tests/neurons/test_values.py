"""Neurons and surrogates as values: equal by content, hashable, immutable; bad numbers are refused by name."""

import dataclasses
import math

import pytest

from spikedistill import neurons
from spikedistill.errors import InputError
from spikedistill.neurons import (
    IF,
    LIF,
    PLIF,
    ATan,
    BatchNorm,
    Erf,
    GradedReLU,
    InnerExcitation,
    PiecewiseQuadratic,
    ReLU,
    Sigmoid,
    SoftSign,
    SuperSpike,
    Triangle,
)

SURROGATES = [Sigmoid, ATan, PiecewiseQuadratic, SoftSign, SuperSpike, Erf, Triangle]
NEURONS = [IF, LIF, PLIF, GradedReLU, InnerExcitation, ReLU]
NORMS = [BatchNorm]


def test_these_are_all():
    public = {name for name in neurons.__all__ if dataclasses.is_dataclass(getattr(neurons, name))}
    assert public == {kind.__name__ for kind in [*SURROGATES, *NEURONS, *NORMS]} | {
        "Neuron",
        "Normalisation",
        "Surrogate",
    }


@pytest.mark.parametrize("kind", [*SURROGATES, *NEURONS, *NORMS])
def test_is_a_value(kind):
    value = kind()
    assert value == kind()
    assert hash(value) == hash(kind())
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, 1.5)


@pytest.mark.parametrize("kind", [*SURROGATES, *NORMS, IF, LIF, PLIF, GradedReLU])
def test_every_field_counts(kind):
    other = {
        "surrogate": Erf(),
        "reset": None,
        "detach_reset": True,
        "decay_input": False,
        "decay": 0.5,
        "momentum": 0.5,
        "v_init": -0.5,
    }
    for field in dataclasses.fields(kind):
        changed = dataclasses.replace(kind(), **{field.name: other.get(field.name, 3.5)})
        assert changed != kind()
        assert hash(changed) != hash(kind())


def test_values_of_different_kinds_differ():
    assert len({kind() for kind in [*SURROGATES, *NEURONS]}) == len(SURROGATES) + len(NEURONS)
    assert LIF() != PLIF()
    assert IF() != LIF()


BAD_POSITIVE = [0.0, -1.0, math.nan, math.inf]
BAD_TAU = [1.0, 0.5, -2.0, math.nan, math.inf]


@pytest.mark.parametrize(
    ("kind", "field", "bad"),
    [
        *((kind, "alpha", bad) for kind in SURROGATES if kind is not Triangle for bad in BAD_POSITIVE),
        *((Triangle, field, bad) for field in ("height", "width") for bad in BAD_POSITIVE),
        *((kind, "threshold", bad) for kind in (IF, LIF, PLIF, GradedReLU) for bad in BAD_POSITIVE),
        *((kind, "reset", bad) for kind in (IF, LIF, PLIF) for bad in (math.nan, math.inf, -math.inf)),
        *((kind, "v_init", bad) for kind in (IF, LIF, PLIF) for bad in (1.0, 1.5, math.nan, math.inf, -math.inf)),
        *((LIF, "tau", bad) for bad in BAD_TAU),
        *((PLIF, "init_tau", bad) for bad in BAD_TAU),
        *((GradedReLU, "decay", bad) for bad in (-0.1, 1.1, math.nan)),
        *((GradedReLU, "penalty", bad) for bad in (-0.1, math.nan, math.inf)),
        *((BatchNorm, "momentum", bad) for bad in (-0.1, 1.1, math.nan)),
        *((BatchNorm, "eps", bad) for bad in BAD_POSITIVE),
        *((BatchNorm, "start", bad) for bad in (math.nan, math.inf)),
    ],
)
def test_bad_numbers_are_refused_by_name(kind, field, bad):
    with pytest.raises(InputError, match=rf"^{field} must be .*, not {bad} \({kind.__name__}\)\.$"):
        kind(**{field: bad})


@pytest.mark.parametrize("kind", [IF, LIF, PLIF])
@pytest.mark.parametrize("reset", [0.5, 2.0])
def test_threshold_lies_above_the_reset(kind, reset):
    with pytest.raises(InputError, match=rf"threshold must be .* above the potential at rest, {reset:g}, not 0\.5"):
        kind(threshold=0.5, reset=reset)


@pytest.mark.parametrize("kind", [IF, LIF, PLIF])
def test_a_negative_threshold_is_fine_above_a_negative_reset(kind):
    assert kind(threshold=-50.0, reset=-65.0).rest() == -65.0
    with pytest.raises(InputError, match="threshold"):
        kind(threshold=-50.0, reset=None)


def test_limits_are_allowed():
    assert GradedReLU(decay=0.0, penalty=0.0) != GradedReLU(decay=1.0, penalty=0.0)
