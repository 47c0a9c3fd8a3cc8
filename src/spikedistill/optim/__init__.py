"""Optimisers, learning-rate schedules and phases of training: values, and how they are built from them."""

from spikedistill.optim.optimizers import SGD, Adam, AdamW, Optimizer
from spikedistill.optim.phases import Phase
from spikedistill.optim.schedules import Constant, Cosine, Schedule, Step

__all__ = ["SGD", "Adam", "AdamW", "Constant", "Cosine", "Optimizer", "Phase", "Schedule", "Step"]
