"""KDSNN, table 1: students of CIFAR-10 from scratch, by responses and by features of several ANNs."""

from spikedistill.methods import Method
from spikedistill.recipes._kdsnn import (
    CIFAR_CPU,
    FEATURES,
    NOTE,
    RESPONSES,
    SOURCE,
    STUDENTS,
    TEACHERS,
    distilled,
    student,
    teacher,
)
from spikedistill.table import Row, Table

CITES = ("kdsnn", "kdsnn-feature")
_RESPONSES = {
    "VGG11": {"ResNet18": 89.12, "WRN28-4": 89.43, "Pyramidnet18": 89.51},
    "WRN16-2": {"ResNet18": 90.98, "WRN28-4": 91.14, "Pyramidnet18": 91.11},
    "ResNet18": {"Pyramidnet18": 93.41},
}
_FEATURES = {
    "WRN16-2": {"WRN28-4": 91.03, "Pyramidnet18": 92.10, "PreResNet20": 91.57},
    "ResNet14": {"WRN28-4": 87.84, "Pyramidnet18": 88.20, "PreResNet20": 87.90},
}


def _rows(network: str, numbers: dict[str, float], method: Method, how: str) -> tuple[Row, ...]:
    """A student from scratch, and by each of its teachers."""
    group, scratch = f"{network} by {how}", student(network)
    taught = (
        Row(f"from {ann}", distilled(scratch, teacher(ann), method), paper, group=group)
        for ann, paper in numbers.items()
    )
    return (Row("from scratch", scratch, STUDENTS[network][1], group=group), *taught)


table = Table(
    "KDSNN: CIFAR-10 by responses and by features",
    (
        *(Row(name, teacher(name), paper, group="ANN teachers") for name, (_, paper) in TEACHERS.items()),
        *(row for name, numbers in _RESPONSES.items() for row in _rows(name, numbers, RESPONSES, "responses")),
        *(row for name, numbers in _FEATURES.items() for row in _rows(name, numbers, FEATURES, "features")),
    ),
    source=f"{SOURCE}, table 1",
    cpu=CIFAR_CPU,
    baseline="from scratch",
    columns=("parameters",),
    note=NOTE,
)
