"""KDSNN, table 4: beside methods of other people, which are quoted.

Its VGG16 is in no other table: the head is that of its VGG11. Pyramidnet18 has 95.17 % here and 95.10 % in table 1.
"""

from spikedistill.recipe import Recipe
from spikedistill.recipes._kdsnn import (
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
_MNIST, _VGG, _RESNET = "MNIST", "CIFAR-10 VGG", "CIFAR-10 ResNet"


def _quoted(group: str, label: str, snn: float, steps: int, ann: float | None = None) -> Row:
    return Row(label, paper=snn, group=group, numbers={"T": steps} | ({} if ann is None else {"its ANN": ann}))


def _own(group: str, ann: Recipe, scratch: Recipe, numbers: tuple[float, float]) -> list[Row]:
    """Our rows: the ANN, the student from scratch for comparison, and the student that is taught."""
    taught = distilled(scratch, ann)
    own, teachers = (TEN_EPOCHS, FOUR_EPOCHS) if group == _MNIST else (CIFAR_CPU, CIFAR_CPU)
    return [
        Row("ANN", ann, numbers[0], group=group, cpu=teachers),
        Row("from scratch", scratch, group=group, numbers={"T": 4}, cpu=own),
        Row(
            "KDSNN",
            taught,
            numbers[1],
            group=group,
            numbers={"T": 4, "its ANN": numbers[0]},
            cpu=reduced(taught, own, teachers),
        ),
    ]


table = Table(
    "KDSNN: beside other spiking networks",
    (
        _quoted(_MNIST, "SDNN, 2conv-2pool", 98.40, 30),
        _quoted(_MNIST, "STBP, 784-800-10", 98.89, 30),
        _quoted(_MNIST, "ANTLR, 784-800-10", 97.60, 100),
        _quoted(_MNIST, "ASF-BP, LeNet5", 99.65, 400),
        *_own(_MNIST, teacher("ResNet18", DIGITS), small(), (99.59, 99.37)),
        _quoted(_VGG, "SPIKE-NORM, VGG16", 91.55, 2500, 91.70),
        _quoted(_VGG, "Hybrid Train, VGG16", 91.13, 100, 92.81),
        _quoted(_VGG, "RMP, VGG16", 93.63, 2048, 93.63),
        _quoted(_VGG, "Opt., VGG16", 92.29, 16, 92.34),
        *_own(_VGG, teacher("Pyramidnet18"), student("VGG16"), (95.17, 91.05)),
        _quoted(_RESNET, "SPIKE-NORM, ResNet20", 87.46, 2500, 89.10),
        _quoted(_RESNET, "Hybrid Train, ResNet20", 92.22, 250, 93.15),
        _quoted(_RESNET, "RMP, ResNet20", 91.36, 2048, 91.47),
        _quoted(_RESNET, "Opt., ResNet20", 92.41, 16, 92.46),
        *_own(_RESNET, teacher("Pyramidnet18"), student("ResNet18"), (95.17, 93.41)),
    ),
    source=f"{SOURCE}, table 4",
    cpu=TEN_EPOCHS,
    baseline="from scratch",
    columns=("T", "its ANN"),
    note=NOTE,
)
