"""Phases: what changes while a network trains, as a function of the share of images that it has seen.

    phases=(Phase(until=0.7, steps=1, batch_size=256), Phase(until=1.0, rate=0.5))

Pure like a schedule, so that nothing of it has to be saved: a run that is interrupted in a phase goes on in it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
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

    def __post_init__(self) -> None:
        check_above(self, "until", most=1.0)
        check_above(self, "rate", most=1e6)
        if self.steps is not None:
            check_count(self, "steps", high=10**5)
        if self.batch_size is not None:
            check_count(self, "batch_size", high=10**6)


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
    )
