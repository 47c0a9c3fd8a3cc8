"""Surrogate gradients and neurons: the definitions, readable."""

from spikedistill.neurons.graded import GradedReLU, InnerExcitation
from spikedistill.neurons.integrate_fire import IF, LIF, PLIF, ReLU
from spikedistill.neurons.neuron import Activation, Neuron, spread
from spikedistill.neurons.norm import BatchNorm, Norm, Normalisation, norm_act
from spikedistill.neurons.rate import Backward, average_gradient, averages, backward_pass
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
    "Backward",
    "BatchNorm",
    "Erf",
    "GradedReLU",
    "InnerExcitation",
    "Neuron",
    "Norm",
    "Normalisation",
    "PiecewiseQuadratic",
    "ReLU",
    "Sigmoid",
    "SoftSign",
    "SuperSpike",
    "Surrogate",
    "Triangle",
    "average_gradient",
    "averages",
    "backward_pass",
    "fire",
    "norm_act",
    "spread",
]
