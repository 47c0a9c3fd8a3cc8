"""A neuron's value as the numbers that the C++ kernels read (`neuron.h`)."""

import math
from dataclasses import astuple, fields
from typing import Any

import torch

from spikedistill.neurons import (
    IF,
    LIF,
    PLIF,
    Activation,
    ATan,
    BatchNorm,
    Erf,
    GradedReLU,
    Neuron,
    Norm,
    PiecewiseQuadratic,
    ReLU,
    Sigmoid,
    SoftSign,
    SuperSpike,
    Triangle,
)

SUM, INPUT_PRODUCT, INPUT_QUOTIENT, LEAK_PRODUCT, LEAK_QUOTIENT, GRADED, RELU = range(7)
NO_SURROGATE = 0
SURROGATES = {Sigmoid: 1, ATan: 2, PiecewiseQuadratic: 3, SoftSign: 4, SuperSpike: 5, Erf: 6, Triangle: 7}
INTEGRATE_FIRE = ("threshold", "reset", "detach_reset", "surrogate", "v_init")
FIELDS: dict[type, tuple[str, ...]] = {
    IF: INTEGRATE_FIRE,
    LIF: (*INTEGRATE_FIRE, "tau", "decay_input"),
    PLIF: (*INTEGRATE_FIRE, "init_tau", "decay_input"),
    GradedReLU: ("decay", "threshold", "penalty"),
    ReLU: (),
    **dict.fromkeys(SURROGATES, ("alpha",)),
    Triangle: ("height", "width"),
    BatchNorm: ("momentum", "eps", "start", "branch"),
}
"""All fields of the values that the kernels compute with. A value with another field is the definition's."""
Numbers = tuple[list[int], list[float]]
_encoded: dict[Neuron, Numbers] = {}
_checked: dict[type, bool] = {}


def known(act: Activation) -> bool:
    """Whether the kernels have this layer's neuron with its surrogate."""
    neuron = act.neuron
    if type(act) is not Activation or not _encoded_whole(neuron):
        return False
    return not isinstance(neuron, IF) or _encoded_whole(neuron.surrogate)


def known_norm(norm: Norm) -> bool:
    """Whether the kernels have this norm."""
    return type(norm) is Norm and _encoded_whole(norm.kind)


def _encoded_whole(value: Any) -> bool:
    """Whether the kernels read every field of a value; a subclass may compute anything, so it is not."""
    if torch.compiler.is_compiling():
        return _reads_all(value)
    if type(value) not in _checked:
        _checked[type(value)] = _reads_all(value)
    return _checked[type(value)]


def _reads_all(value: Any) -> bool:
    return type(value) in FIELDS and FIELDS[type(value)] == tuple(field.name for field in fields(value))


def encode(neuron: Neuron) -> Numbers:
    """Codes [charge, surrogate, hard reset, detached reset] and constants; worked out once for each neuron.

    The constants are [threshold, rest, factor, penalty, surrogate's first parameter, its second, start].
    """
    if torch.compiler.is_compiling():
        return _encode(neuron)
    if neuron not in _encoded:
        _encoded[neuron] = _encode(neuron)
    return _encoded[neuron]


def _encode(neuron: Neuron) -> Numbers:
    if isinstance(neuron, GradedReLU):
        penalty = neuron.penalty / neuron.threshold
        return [GRADED, NO_SURROGATE, 0, 0], [neuron.threshold, 0.0, neuron.decay, penalty, 0.0, 0.0, 0.0]
    if not isinstance(neuron, IF):
        return [RELU, NO_SURROGATE, 0, 0], [0.0] * 7
    charge, factor = _charge(neuron)
    shape = [*(float(value) for value in astuple(neuron.surrogate)), 0.0][:2]
    codes = [charge, SURROGATES[type(neuron.surrogate)], int(neuron.reset is not None), int(neuron.detach_reset)]
    return codes, [neuron.threshold, neuron.rest(), factor, 0.0, *shape, neuron.start()]


def _charge(neuron: IF) -> tuple[int, float]:
    """The way to charge and its factor; dividing by a power of two is multiplying by its inverse, bit for bit."""
    if isinstance(neuron, PLIF):  # the factor is sigmoid(w)
        return (INPUT_PRODUCT if neuron.decay_input else LEAK_PRODUCT), 0.0
    if not isinstance(neuron, LIF):
        return SUM, 0.0
    if math.frexp(neuron.tau)[0] == 0.5:
        return (INPUT_PRODUCT if neuron.decay_input else LEAK_PRODUCT), 1.0 / neuron.tau
    return (INPUT_QUOTIENT if neuron.decay_input else LEAK_QUOTIENT), neuron.tau
