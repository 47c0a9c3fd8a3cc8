"""KDSNN, table 3: parameters and operations of teachers and students; its accuracies are those of the other tables.

"FLOPs" of ANNs are what thop prints (docs/networks.md). "SynOps" of SNNs are no synaptic operations: as numbers of
spikes in four steps they would fit.
"""

from spikedistill.recipe import Recipe
from spikedistill.recipes._kdsnn import (
    CIFAR,
    CIFAR_CPU,
    DIGITS,
    FOUR_EPOCHS,
    NOTE,
    SOURCE,
    TEN_EPOCHS,
    distilled,
    reduced,
    small,
    student,
    teacher,
)
from spikedistill.table import Row, Table

CITES = ("kdsnn",)


def _rows(group: str, ann: Recipe, labels: tuple[str, str], scratch: Recipe, numbers: tuple[float, ...]) -> list[Row]:
    """An ANN and the SNN that it teaches: parameters and operations of the one, parameters and SynOps of the other."""
    taught = distilled(scratch, ann)
    of_ann = {"parameters": numbers[0], "operations": numbers[1]}
    of_snn = {"parameters": numbers[2], "SynOps": numbers[3]}
    own, teachers = (TEN_EPOCHS, FOUR_EPOCHS) if group == "MNIST" else (CIFAR_CPU, CIFAR_CPU)
    return [
        Row(f"ANN {labels[0]}", ann, group=group, numbers=of_ann, cpu=teachers),
        Row(f"SNN {labels[1]}", taught, group=group, numbers=of_snn, cpu=reduced(taught, own, teachers)),
    ]


def _of_cifar(ann: str, network: str, numbers: tuple[float, ...]) -> list[Row]:
    return _rows("CIFAR-10", teacher(ann, CIFAR), (ann, network), student(network, CIFAR), numbers)


table = Table(
    "KDSNN: parameters and operations",
    (
        *_rows("MNIST", teacher("ResNet18", DIGITS), ("ResNet18", "2conv"), small(), (11.17, 457.72, 7.39, 0.05)),
        *_of_cifar("ResNet18", "VGG11", (11.17, 557.88, 9.75, 0.09)),
        *_of_cifar("WRN28-4", "WRN16-2", (5.85, 849.33, 0.69, 0.15)),
        *_of_cifar("Pyramidnet18", "ResNet18", (1.56, 368.74, 11.17, 0.44)),
    ),
    source=f"{SOURCE}, table 3",
    cpu=TEN_EPOCHS,
    columns=("parameters", "operations", "SynOps"),
    note=f"{NOTE} Parameters, operations and SynOps in millions.",
)
