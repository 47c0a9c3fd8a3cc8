"""Optimisers, learning-rate schedules and phases of training: values, and how they are built from them."""

from spikedistill.optim.muon import Muon
from spikedistill.optim.optimizers import SGD, Adam, AdamW, Optimizer
from spikedistill.optim.phases import Phase
from spikedistill.optim.schedules import Constant, Cosine, Linear, Schedule, Step, Triangle

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Linear",
    "Muon",
    "Optimizer",
    "Phase",
    "Schedule",
    "Step",
    "Triangle",
]
