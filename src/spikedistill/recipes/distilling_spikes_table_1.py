"""Distilling Spikes, table 1: teacher, teacher assistant and student from scratch."""

from spikedistill.recipes._distilling_spikes import CPU, DATA, NOTE, SOURCE, scratch
from spikedistill.table import Row, Table

CITES = ("distilling-spikes",)
_PAPER = {
    "teacher": (98.35, 89.72, 45.43),
    "assistant": (98.17, 89.4, 45.98),
    "student": (98.00, 88.64, 42.9),
}

table = Table(
    "Distilling Spikes: baselines from scratch",
    tuple(
        Row(network, scratch(data, network), paper=numbers[place], group=data)
        for place, data in enumerate(DATA)
        for network, numbers in _PAPER.items()
    ),
    source=f"{SOURCE}, table 1",
    cpu=CPU,
    note=NOTE,
)
