"""Optimisers and learning-rate schedules: values, and how they are built from them."""

from spikedistill.optim.optimizers import SGD, Adam, AdamW, Constant, Cosine, Optimizer, Schedule, Step

__all__ = ["SGD", "Adam", "AdamW", "Constant", "Cosine", "Optimizer", "Schedule", "Step"]
