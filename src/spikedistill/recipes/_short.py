"""What short trainings share: the parts that docs/short-trainings.md measures, as values."""

from dataclasses import replace

from spikedistill.data import AlternatingFlip, Crop
from spikedistill.neurons import IF
from spikedistill.optim import SGD, Linear, Muon, Phase

AUGMENT = (Crop(2), AlternatingFlip())
STARTED = Linear(warmup_epochs=0.05)
"""Schedule of what begins with weights."""
RATES_FIRST = (Phase(0.67, backward="rate"), Phase(1.0))
ONE_STEP_FIRST = (Phase(0.6, steps=1, batch_size=256), Phase(1.0))
STEPS_DRAWN = (Phase(0.8, fewest_steps=1), Phase(1.0))
REESTIMATE = 2048
"""Images for the norms' statistics, where T changes in training."""
HALF = IF(detach_reset=True, v_init=0.5)
"""The potential at half the threshold before the first step."""


def parts(learning_rate: float) -> SGD:
    """Return the optimiser: Nesterov, and norms' biases at 8 times the rate."""
    return SGD(learning_rate, nesterov=True, norm_bias_factor=8.0)


def filters_apart(learning_rate: float, filter_rate: float) -> Muon:
    """Return the same, with filters by Muon."""
    return Muon(learning_rate, nesterov=True, norm_bias_factor=8.0, filter_rate=filter_rate)


def times(optimizer: Muon, factor: float) -> Muon:
    """Return the same with both of its learning rates times a factor."""
    return replace(
        optimizer, learning_rate=factor * optimizer.learning_rate, filter_rate=factor * optimizer.filter_rate
    )


BY_MUON = filters_apart(0.1, 0.05)
"""What begins at random; rates by `cifar10_minutes_choice.py`."""
STARTED_BY_MUON = filters_apart(0.03, 0.007)
"""What begins with weights, likewise."""
