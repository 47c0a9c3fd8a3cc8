"""Distilling Spikes, table 2: the student from the teacher by each loss, without labels."""

from dataclasses import replace

from spikedistill.methods import DistillingSpikes
from spikedistill.recipe import Recipe
from spikedistill.recipes._distilling_spikes import (
    CPU,
    DATA,
    KL,
    L1,
    L2,
    NOTE,
    SOURCE,
    WINDOWS,
    distilled,
    proposed,
    scratch,
)
from spikedistill.table import Row, Table

CITES = ("distilling-spikes",)
_PAPER = {
    "full L1": (96.20, 86.99, 37.90),
    "full L2": (96.80, 87.50, 38.70),
    "full KL": (97.36, 88.15, 39.21),
    "sliding L1": (96.09, 87.28, 38.31),
    "sliding L2": (96.29, 87.08, 38.89),
    "proposed": (97.46, 88.30, 41.28),
}
_TEACHER = (98.35, 89.72, 45.43)


def _method(loss: str, data: str) -> DistillingSpikes:
    """The loss of a row."""
    return {
        "full L1": replace(L1, l1="full"),
        "full L2": replace(L2, l2="full"),
        "full KL": KL,
        "sliding L1": replace(L1, l1="sliding", window=WINDOWS[data]["l1"]),
        "sliding L2": replace(L2, l2="sliding", window=WINDOWS[data]["l2"]),
        "proposed": proposed(data),
    }[loss]


def _student(loss: str, data: str) -> Recipe:
    name = f"student-{loss.lower().replace(' ', '-')}"
    return distilled(data, "student", scratch(data, "teacher"), _method(loss, data), name)


table = Table(
    "Distilling Spikes: the student by each loss",
    tuple(
        row
        for place, data in enumerate(DATA)
        for row in (
            Row("teacher", scratch(data, "teacher"), paper=_TEACHER[place], group=data),
            *(Row(loss, _student(loss, data), paper=numbers[place], group=data) for loss, numbers in _PAPER.items()),
        )
    ),
    source=f"{SOURCE}, table 2",
    cpu=CPU,
    note=NOTE,
)
