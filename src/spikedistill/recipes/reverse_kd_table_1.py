"""Reverse KD, table 1: sparse-KD at several prune ratios; a ratio of 0 is self-distillation.

Pruned teachers' accuracies are filled in from `spikedistill evaluate RUN... --what agreement`. The paper's teachers at
ratio 0.1 and 0.3 on Tiny-ImageNet have the accuracy of the whole network.
"""

from itertools import chain

from spikedistill.recipes._reverse_kd import CIFAR, CPU, GESTURE, NOTE, SOURCE, TINY, row, sparse, student
from spikedistill.table import Row, Table

CITES = ("sparse-kd", "vanilla-kd")
_PAPER: dict[tuple[str, str], dict[float, tuple[float, float]]] = {
    (CIFAR, "ResNet18"): {
        0.0: (71.30, 72.63),
        0.1: (70.69, 72.79),
        0.3: (71.10, 72.83),
        0.5: (70.18, 72.61),
        0.7: (65.73, 73.01),
    },
    (CIFAR, "WRN16-4"): {
        0.0: (69.30, 71.76),
        0.1: (68.73, 71.90),
        0.3: (68.23, 72.15),
        0.5: (66.32, 71.69),
        0.7: (50.94, 71.79),
    },
    (TINY, "ResNet18"): {
        0.0: (54.96, 56.67),
        0.1: (54.96, 56.92),
        0.3: (54.96, 56.75),
        0.5: (55.02, 56.57),
        0.7: (54.79, 56.78),
        0.9: (35.81, 56.61),
    },
    (GESTURE, "5Conv-1FC"): {
        0.0: (94.79, 95.83),
        0.1: (94.44, 96.18),
        0.3: (93.06, 95.83),
        0.5: (90.97, 95.83),
        0.7: (76.04, 95.83),
    },
}
"""By ratio, 0 first: the pruned teacher and the student that it teaches."""


def _rows(data: str, network: str) -> tuple[Row, ...]:
    numbers, group = _PAPER[data, network], f"{data} {network}"
    sparse_rows = (
        row(f"ratio {ratio:g}", sparse(data, network, ratio), taught, group, {"pruned teacher": pruned})
        for ratio, (pruned, taught) in numbers.items()
    )
    return (row("student", student(data, network), numbers[0.0][0], group), *sparse_rows)


table = Table(
    "Reverse KD: sparse-KD by prune ratio",
    tuple(chain.from_iterable(_rows(data, network) for data, network in _PAPER)),
    source=f"{SOURCE}, table 1",
    teacher_seed="kept",
    cpu=CPU,
    baseline="student",
    columns=("pruned teacher",),
    note=NOTE,
)
