"""TSER, table 1: CIFAR-10 and CIFAR-100 by several distillation methods; methods without a teacher are quoted."""

from collections.abc import Iterator

from spikedistill.recipes._tser import CIFAR10_, CIFAR100_, CPU, METHODS, NOTE, SOURCE, student, teacher
from spikedistill.table import Row, Table

CITES = ("tser", "lasnn", "kdsnn", "kdsnn-feature", "bkdsnn")
_TEACHERS = {"ResNet34": (81.12, 97.10), "ResNet19": (81.97, 97.08), "VGG16": (78.08, 96.06)}
_PAPER = {
    (2, "LaSNN"): {
        "ResNet18": (76.17, 93.64),
        "ResNet19": (80.30, 95.26),
        "VGG16": (73.80, 93.90),
        "VGG11": (69.89, 90.23),
    },
    (2, "KDSNN"): {
        "ResNet18": (77.16, 95.25),
        "ResNet19": (80.88, 96.15),
        "VGG16": (74.65, 94.26),
        "VGG11": (72.17, 92.81),
    },
    (2, "BKDSNN"): {
        "ResNet18": (73.30, 93.64),
        "ResNet19": (75.74, 95.26),
        "VGG16": (73.80, 94.10),
        "VGG11": (69.89, 92.73),
    },
    (2, "TSER"): {
        "ResNet18": (78.30, 95.58),
        "ResNet19": (81.29, 96.72),
        "VGG16": (75.81, 94.55),
        "VGG11": (73.67, 93.31),
    },
    (4, "LaSNN"): {"ResNet18": (78.12, 95.09), "VGG16": (74.99, 94.49), "VGG11": (70.74, 90.42)},
    (4, "KDSNN"): {"ResNet18": (78.46, 95.72), "VGG16": (75.98, 94.85), "VGG11": (73.05, 92.91)},
    (4, "BKDSNN"): {"ResNet18": (75.57, 95.09), "VGG16": (74.99, 94.55), "VGG11": (70.74, 92.88)},
    (4, "TSER"): {"ResNet18": (79.69, 96.18), "VGG16": (77.06, 95.01), "VGG11": (74.65, 93.68)},
}
_DEVIATIONS = {
    (2, "ResNet18"): (0.08, 0.08),
    (2, "ResNet19"): (0.14, 0.02),
    (2, "VGG16"): (0.12, 0.09),
    (2, "VGG11"): (0.04, 0.02),
    (4, "ResNet18"): (0.02, 0.05),
    (4, "VGG16"): (0.04, 0.10),
    (4, "VGG11"): (0.07, 0.02),
}
"""Of TSER's own rows."""
_QUOTED = {
    2: {
        "GLIF, ResNet19": (75.48, 94.44),
        "GLIF, ResNet18": (74.60, 94.15),
        "TET, ResNet19": (72.87, 94.16),
        "LSG, ResNet19": (76.32, 94.41),
        "PFA, ResNet19": (76.70, 95.60),
        "MPBN, ResNet19": (79.51, 96.47),
        "MPBN, VGG16": (73.88, 93.96),
        "IM-LIF, ResNet19": (77.21, 95.29),
    },
    4: {
        "GLIF, ResNet19": (77.05, 94.85),
        "GLIF, ResNet18": (76.42, 94.67),
        "TET, ResNet19": (74.47, 94.44),
        "LSG, ResNet19": (76.85, 95.17),
        "PFA, ResNet19": (78.10, 95.71),
        "MPBN, ResNet19": (80.10, 96.52),
        "MPBN, VGG16": (74.74, 94.44),
        "IM-LIF, ResNet19": (77.42, 95.66),
        "Spikformer-4-256": (75.96, 93.94),
        "Spikformer-4-384": (77.86, 95.19),
        "Spikingformer-4-256": (77.43, 94.77),
        "Spikingformer-4-384": (79.09, 95.61),
        "SD Transformer-2-512": (78.40, 95.60),
    },
}


def _rows(place: int, data: str) -> Iterator[Row]:
    """All rows on a data set, which has this place in the pairs of numbers."""
    for network, numbers in _TEACHERS.items():
        yield Row(network, teacher(data, network), numbers[place], group=f"{data} ANN teachers")
    for steps, quoted in _QUOTED.items():
        for label, numbers in quoted.items():
            yield Row(label, paper=numbers[place], group=f"{data} T = {steps} without a teacher")
        for (taken, method), networks in _PAPER.items():
            for network, numbers in networks.items() if taken == steps else ():
                deviation = _DEVIATIONS[steps, network][place] if method == "TSER" else None
                recipe = student(data, network, steps, METHODS[method], method)
                yield Row(f"{method}, {network}", recipe, numbers[place], deviation, group=f"{data} T = {steps}")


table = Table(
    "TSER: CIFAR-10 and CIFAR-100",
    (*_rows(0, CIFAR100_), *_rows(1, CIFAR10_)),
    source=f"{SOURCE}, table 1",
    cpu=CPU,
    note=NOTE,
)
