"""A neuron's value as the numbers that the C++ kernels read (`neuron.h`)."""

import math
from dataclasses import astuple

import torch

from spikedistill.neurons import (
    IF,
    LIF,
    PLIF,
    ATan,
    Erf,
    GradedReLU,
    Neuron,
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
INTEGRATE_FIRE = (IF, LIF, PLIF)
Numbers = tuple[list[int], list[float]]
_encoded: dict[Neuron, Numbers] = {}


def known(neuron: Neuron) -> bool:
    """Whether the kernels have this neuron with this surrogate; a subclass may compute anything, so it is not."""
    if type(neuron) in INTEGRATE_FIRE:
        return isinstance(neuron, IF) and type(neuron.surrogate) in SURROGATES
    return type(neuron) in (GradedReLU, ReLU)


def encode(neuron: Neuron) -> Numbers:
    """Codes [charge, surrogate, hard reset, detached reset] and constants; worked out once for each neuron.

    The constants are [threshold, rest, factor, penalty, surrogate's first parameter, its second].
    """
    if torch.compiler.is_compiling():
        return _encode(neuron)
    if neuron not in _encoded:
        _encoded[neuron] = _encode(neuron)
    return _encoded[neuron]


def _encode(neuron: Neuron) -> Numbers:
    if isinstance(neuron, GradedReLU):
        penalty = neuron.penalty / neuron.threshold
        return [GRADED, NO_SURROGATE, 0, 0], [neuron.threshold, 0.0, neuron.decay, penalty, 0.0, 0.0]
    if not isinstance(neuron, IF):
        return [RELU, NO_SURROGATE, 0, 0], [0.0] * 6
    charge, factor = _charge(neuron)
    shape = [*(float(value) for value in astuple(neuron.surrogate)), 0.0][:2]
    codes = [charge, SURROGATES[type(neuron.surrogate)], int(neuron.reset is not None), int(neuron.detach_reset)]
    return codes, [neuron.threshold, neuron.rest(), factor, 0.0, *shape]


def _charge(neuron: IF) -> tuple[int, float]:
    """The way to charge and its factor; dividing by a power of two is multiplying by its inverse, bit for bit."""
    if isinstance(neuron, PLIF):  # the factor is sigmoid(w)
        return (INPUT_PRODUCT if neuron.decay_input else LEAK_PRODUCT), 0.0
    if not isinstance(neuron, LIF):
        return SUM, 0.0
    if math.frexp(neuron.tau)[0] == 0.5:
        return (INPUT_PRODUCT if neuron.decay_input else LEAK_PRODUCT), 1.0 / neuron.tau
    return (INPUT_QUOTIENT if neuron.decay_input else LEAK_QUOTIENT), neuron.tau
