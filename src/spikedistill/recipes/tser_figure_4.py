"""TSER, figure 4: tau, the temperature; ResNet18 from ResNet34, CIFAR-100, T = 2. No printed numbers; flat, it says."""

from dataclasses import replace

from spikedistill.recipes._tser import CIFAR100_, CPU, FULL, NOTE, SOURCE, student
from spikedistill.table import Row, Table

CITES = ("tser",)
_TAUS = (2.0, 3.0, 4.0, 5.0, 6.0)


def _row(value: float) -> Row:
    method = replace(FULL, temperature=value)
    name = "TSER" if method == FULL else f"tau {value:g}"
    return Row(f"tau {value:g}", student(CIFAR100_, "ResNet18", 2, method, name))


table = Table("TSER: the temperature", tuple(map(_row, _TAUS)), source=f"{SOURCE}, figure 4", cpu=CPU, note=NOTE)
