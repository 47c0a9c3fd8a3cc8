"""Phases: what changes while a network trains, as a function of the share of images that it has seen.

    phases=(Phase(until=0.7, steps=1, batch_size=256), Phase(until=1.0, rate=0.5))

Pure like a schedule, so that nothing of it has to be saved: a run that is interrupted in a phase goes on in it.

Published: few steps first, then all of them (time inheritance training: Deng et al., ICLR 2022; 100 epochs at T = 1, 30
at T = 6: Meng et al.'s SLTT, ICCV 2023). A step at T = 1 costs little less than one at T = 4 where the batch is small,
so T times batch size is kept: `Phase(until=0.6, steps=1, batch_size=4 * b)`. A T that is drawn for each batch from 1 to
the most (`fewest_steps=1`) is stochastic latency training (Anumasa et al., AAAI 2024; one T per batch, as in its code).
The gradient on rates in the middle of a training (`backward="rate"`) is a mixture of our own.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from spikedistill.errors import InputError
from spikedistill.values.checks import check_above, check_count

Backward = Literal["time", "rate"]


@dataclass(frozen=True)
class Settings:
    """What holds for one step."""

    steps: int
    """T."""
    backward: Backward
    batch_size: int
    rate: float
    """Factor of the learning rate, times the schedule's."""
    fewest_steps: int | None = None
    """Where T is drawn for each batch: the least; `steps` is the most."""


@dataclass(frozen=True)
class Phase:
    """A part of a training. What is None is as the recipe says.

    It ends with the first step that begins at or after `until`, in mid-epoch too.
    """

    until: float
    """Share of all images seen at which it ends, above 0; 1 for the last phase."""
    steps: int | None = None
    """T in training; `accuracy` is always at the recipe's."""
    backward: Backward | None = None
    """Backward pass: through time, or once on rates averaged over time."""
    batch_size: int | None = None
    rate: float = 1.0
    """Factor of the learning rate, times the schedule's."""
    fewest_steps: int | None = field(default=None, metadata={"added": True})
    """Draw the T of each batch from these to `steps`, all equally likely; always `steps` if None."""

    def __post_init__(self) -> None:
        check_above(self, "until", most=1.0)
        check_above(self, "rate", most=1e6)
        if self.steps is not None:
            check_count(self, "steps", high=10**5)
        if self.batch_size is not None:
            check_count(self, "batch_size", high=10**6)
        if self.fewest_steps is not None:
            check_count(self, "fewest_steps", high=10**5)


def check_phases(phases: Sequence[Phase]) -> None:
    """Refuse phases that are not one after the other, or that leave out the end.

    Raises:
        InputError: says which ends were given.
    """
    ends = [phase.until for phase in phases]
    if not ends:
        return
    if any(later <= earlier for earlier, later in itertools.pairwise(ends)) or ends[-1] != 1.0:
        given = ", ".join(f"{end:g}" for end in ends)
        raise InputError(f"phases must end one after the other and the last at 1, not at {given}. Change `until`.")


def settings_at(phases: Sequence[Phase], share: float, default: Settings) -> Settings:
    """Return what holds for a step that begins when this share of all images, in [0, 1), has been seen.

    Args:
        phases: That `check_phases` takes.
        share: See above.
        default: What holds where a phase says nothing, and where there are none; its `rate` is a factor of theirs.
    """
    phase = next((phase for phase in phases if share < phase.until), Phase(1.0))
    return Settings(
        phase.steps or default.steps,
        phase.backward or default.backward,
        phase.batch_size or default.batch_size,
        phase.rate * default.rate,
        phase.fewest_steps,
    )
