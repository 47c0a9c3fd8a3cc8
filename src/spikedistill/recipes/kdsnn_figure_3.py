"""KDSNN, figure 3: WRN16-2 while it learns from the responses of three ANNs.

The figure shows curves without printed numbers; those of ours are in each run's log.jsonl, an accuracy per epoch. The
runs are those of table 1, whose numbers stand here for the curves' ends.
"""

from spikedistill.recipes._kdsnn import CIFAR_CPU, NOTE, SOURCE, distilled, student, teacher
from spikedistill.table import Row, Table

CITES = ("kdsnn",)
_PAPER = {"ResNet18": 90.98, "WRN28-4": 91.14, "Pyramidnet18": 91.11}

table = Table(
    "KDSNN: WRN16-2 while it learns from three ANNs",
    tuple(Row(f"from {ann}", distilled(student("WRN16-2"), teacher(ann)), paper) for ann, paper in _PAPER.items()),
    source=f"{SOURCE}, figure 3",
    cpu=CIFAR_CPU,
    note=f"{NOTE} Curves: log.jsonl of each run.",
)
