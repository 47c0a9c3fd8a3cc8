"""Reverse KD, figure 2: the student on Tiny-ImageNet by prune ratio, while it learns.

The figure shows curves without printed numbers; those of ours are in each run's log.jsonl. The runs and the numbers are
those of table 1: the student alone (blue), self-distillation (orange) and the ratios above.
"""

from spikedistill.recipes._reverse_kd import CPU, NOTE, SOURCE, TINY
from spikedistill.recipes.reverse_kd_table_1 import table as _table_1
from spikedistill.table import Table

CITES = ("sparse-kd", "vanilla-kd")

table = Table(
    "Reverse KD: the student on Tiny-ImageNet by prune ratio",
    _table_1.chosen([f"{TINY} ResNet18"]),
    source=f"{SOURCE}, figure 2",
    teacher_seed="kept",
    cpu=CPU,
    baseline="student",
    note=f"{NOTE} Curves: log.jsonl of each run.",
)
