"""KDSNN, table 2: noise. CIFAR-10 with Gaussian noise (ResNet18 teaches VGG11), MNIST with backgrounds and rotations.

Training and test images have the noise, the teacher's too. The paper names its sets and no more: see
`spikedistill.data.noisy` for what is taken.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from spikedistill.data.dataset import Dataset
from spikedistill.data.noisy import Variation
from spikedistill.recipe import Recipe
from spikedistill.recipes._kdsnn import (
    CIFAR_CPU,
    NOTE,
    SOURCE,
    TEN_EPOCHS,
    distilled,
    noisy_cifar,
    noisy_digits,
    reduced,
    small,
    student,
    teacher,
)
from spikedistill.table import Row, Table

CITES = ("kdsnn",)
_CIFAR = {0.01: (83.00, 81.63, 82.90), 0.03: (80.40, 76.42, 77.96), 0.05: (77.00, 73.40, 74.23)}
_DIGITS: dict[Variation, tuple[float, float, float]] = {
    "background": (97.72, 95.04, 96.35),
    "random": (96.95, 95.31, 95.79),
    "rotation": (96.01, 94.43, 95.34),
    "rotation-background": (86.59, 80.96, 81.82),
}


def _rows(
    data: Dataset, scratch: Recipe, numbers: tuple[float, float, float], group: str, cpu: Mapping[str, Any]
) -> tuple[Row, ...]:
    ann = teacher("ResNet18", data)
    recipes = {"ANN": ann, "SNN": scratch, "KDSNN": distilled(scratch, ann)}
    return tuple(
        Row(label, recipe, paper, group=group, cpu=reduced(recipe, cpu, cpu))
        for (label, recipe), paper in zip(recipes.items(), numbers, strict=True)
    )


def _of_cifar(variance: float) -> tuple[Row, ...]:
    data = noisy_cifar(variance)
    return _rows(data, student("VGG11", data), _CIFAR[variance], f"CIFAR-10 with noise {variance:g}", CIFAR_CPU)


def _of_digits(variation: Variation) -> tuple[Row, ...]:
    data = noisy_digits(variation)
    return _rows(data, small(data), _DIGITS[variation], f"MNIST {variation}", TEN_EPOCHS)


table = Table(
    "KDSNN: noisy images",
    (*chain.from_iterable(map(_of_cifar, _CIFAR)), *chain.from_iterable(map(_of_digits, _DIGITS))),
    source=f"{SOURCE}, table 2",
    cpu=TEN_EPOCHS,
    baseline="SNN",
    note=NOTE,
)
