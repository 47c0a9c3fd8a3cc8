"""Surrogate gradients and neurons: the definitions, readable."""

from spikedistill.neurons.graded import GradedReLU
from spikedistill.neurons.integrate_fire import IF, LIF, PLIF, ReLU
from spikedistill.neurons.neuron import Activation, Neuron, spread
from spikedistill.neurons.norm import Norm, norm_act
from spikedistill.neurons.rate import average_gradient, averages
from spikedistill.neurons.surrogate import (
    ATan,
    Erf,
    PiecewiseQuadratic,
    Sigmoid,
    SoftSign,
    SuperSpike,
    Surrogate,
    Triangle,
    fire,
)

__all__ = [
    "IF",
    "LIF",
    "PLIF",
    "ATan",
    "Activation",
    "Erf",
    "GradedReLU",
    "Neuron",
    "Norm",
    "PiecewiseQuadratic",
    "ReLU",
    "Sigmoid",
    "SoftSign",
    "SuperSpike",
    "Surrogate",
    "Triangle",
    "average_gradient",
    "averages",
    "fire",
    "norm_act",
    "spread",
]
