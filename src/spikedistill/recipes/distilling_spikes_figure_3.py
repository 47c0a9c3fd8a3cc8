"""Distilling Spikes, figure 3: the length of the sliding windows, for L1 and L2 alone; T = 128.

The figure has no printed numbers; the text names its best lengths: for L1 128 (MNIST), 32 (Fashion-MNIST) and 96
(CIFAR-10), for L2 32 (CIFAR-10).
"""

from dataclasses import replace

from spikedistill.recipes._distilling_spikes import CPU, DATA, L1, L2, NOTE, SOURCE, distilled, scratch
from spikedistill.table import Row, Table

CITES = ("distilling-spikes",)
_LENGTHS = (32, 64, 96, 128)


def _row(data: str, norm: str, length: int) -> Row:
    method = {
        "L1": replace(L1, l1="sliding", window=length),
        "L2": replace(L2, l2="sliding", window=length),
    }[norm]
    recipe = distilled(data, "student", scratch(data, "teacher"), method, f"student-sliding-{norm.lower()}-{length}")
    return Row(f"sliding {norm}, {length}", recipe, group=data)


table = Table(
    "Distilling Spikes: length of the sliding windows",
    tuple(_row(data, norm, length) for data in DATA for norm in ("L1", "L2") for length in _LENGTHS),
    source=f"{SOURCE}, figure 3",
    cpu=CPU,
    note=NOTE,
)
