"""TSER, figure 3: lambda, the weight of the entropy; ResNet18 from ResNet34, CIFAR-100, T = 2.

The figure has no printed numbers, and the text no list of values: 0.0001 to 0.2 is its range.
"""

from dataclasses import replace

from spikedistill.recipes._tser import CIFAR100_, CPU, FULL, NOTE, SOURCE, student
from spikedistill.table import Row, Table

CITES = ("tser",)
_LAMBDAS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.2)


def _row(value: float) -> Row:
    method = replace(FULL, entropy=value)
    name = "TSER" if method == FULL else f"lambda {value:g}"
    return Row(f"lambda {value:g}", student(CIFAR100_, "ResNet18", 2, method, name))


table = Table(
    "TSER: the weight of the entropy", tuple(map(_row, _LAMBDAS)), source=f"{SOURCE}, figure 3", cpu=CPU, note=NOTE
)
