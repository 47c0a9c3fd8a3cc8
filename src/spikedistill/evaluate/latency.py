"""How long a pass takes, by the clock of this machine as it is now."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

WARM_UP = 3
"""Passes before the clock is read: kernels are built and weights reordered in the first."""
FEWEST, MOST = 5, 200
"""Passes that are measured."""


@dataclass(frozen=True)
class Times:
    """Durations of single passes, in milliseconds, in the order in which they were measured."""

    each: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half of the passes took longer."""
        return self.quantile(0.5)

    def quantile(self, share: float) -> float:
        """Return the duration that so large a share of the passes stayed below, interpolated."""
        return float(np.quantile(self.each, share))


def time_passes(
    ask: Callable[[], object],
    device: torch.device,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Times:
    """Return how long passes take, one after the other; a device that computes by itself is waited for.

    Args:
        ask: Makes a pass.
        device: That it is made on.
        seconds: After so long no further pass is begun, but `FEWEST` are measured in any case and `MOST` at most.
        clock: In seconds.
    """
    for _ in range(WARM_UP):
        ask()
    _finish(device)
    each: list[float] = []
    begun = clock()
    while len(each) < FEWEST or (len(each) < MOST and clock() - begun < seconds):
        before = clock()
        ask()
        _finish(device)
        each.append(1000 * (clock() - before))
    return Times(tuple(each))


def _finish(device: torch.device) -> None:
    """Wait until the device has computed all that it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
