"""TSER, table 3: two temporal separations and the entropy term, one by one; ResNet18 from ResNet34, CIFAR-100, T = 2.

The check marks are lost in the text at hand; which row is which is inferred from its "KL +0.49, CE +0.26". Table 1 has
78.30 for the last row. lambda is not published: 0.05 here.
"""

from dataclasses import replace

from spikedistill.recipes._tser import CIFAR100_, CPU, FULL, NOTE, SOURCE, VANILLA, student
from spikedistill.table import Row, Table

CITES = ("tser",)
_BASE = "vanilla KD"
_ROWS = {
    _BASE: (VANILLA, 77.15),
    "cross-entropy apart": (replace(VANILLA, separate_ce=1.0), 77.41),
    "KL apart": (replace(VANILLA, separate_kl=1.0), 77.64),
    "both apart": (replace(FULL, entropy=0.0), 77.99),
    "both apart and entropy": (FULL, 78.13),
}

table = Table(
    "TSER: its parts one by one",
    tuple(
        Row(label, student(CIFAR100_, "ResNet18", 2, method, "TSER" if method == FULL else label), paper)
        for label, (method, paper) in _ROWS.items()
    ),
    source=f"{SOURCE}, table 3",
    cpu=CPU,
    baseline=_BASE,
    columns=("T = 1", "T = 2"),
    note=NOTE,
)
