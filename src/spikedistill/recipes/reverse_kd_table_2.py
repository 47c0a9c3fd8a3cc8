"""Reverse KD, table 2: default-KD, a virtual teacher; softened by powers, and as the code that the paper builds on."""

from spikedistill.recipes._reverse_kd import CIFAR, CPU, GESTURE, NOTE, SOURCE, TFKD, TINY, default, row, student
from spikedistill.table import Table

CITES = ("default-kd",)
_PAPER = {
    (CIFAR, "ResNet18"): (71.30, 72.10),
    (CIFAR, "WRN16-4"): (69.30, 71.52),
    (CIFAR, "VGG16"): (65.49, 65.95),
    (TINY, "ResNet18"): (54.96, 59.31),
    (GESTURE, "5Conv-1FC"): (94.79, 95.13),
}

table = Table(
    "Reverse KD: default-KD",
    tuple(
        one
        for (data, network), (alone, taught) in _PAPER.items()
        for one in (
            row("student", student(data, network), alone, f"{data} {network}"),
            row("default-KD", default(data, network), taught, f"{data} {network}"),
            row("default-KD of Tf-KD", default(data, network, TFKD), taught, f"{data} {network}"),
        )
    ),
    source=f"{SOURCE}, table 2",
    teacher_seed="kept",
    cpu=CPU,
    baseline="student",
    note=NOTE,
)
