"""TSER, table 2: ImageNet at T = 4; methods without a teacher are quoted.

It states no reduction for two cores: its 50,000 test images alone take them hours.
"""

from spikedistill.recipes._tser import IMAGENET, METHODS, SOURCE, student, teacher
from spikedistill.table import Row, Table

CITES = ("tser", "lasnn", "kdsnn", "kdsnn-feature", "bkdsnn")
_QUOTED = {
    "TET, ResNet34": (64.79, 6),
    "GLIF, ResNet34": (67.52, 4),
    "MPBN, ResNet18": (63.14, 4),
    "MPBN, ResNet34": (64.71, 4),
    "SEW-ResNet18": (63.18, 4),
    "SEW-ResNet34": (67.04, 4),
    "Spikformer-8-384": (70.24, 4),
    "Spikformer-6-512": (72.46, 4),
    "Spikingformer-8-384": (72.45, 4),
    "SD Transformer-8-384": (72.28, 4),
}
_TEACHERS = {"SEW-ResNet18": 71.69, "SEW-ResNet34": 75.38}
_PAPER = {
    "LaSNN": {"SEW-ResNet18": 63.33, "SEW-ResNet34": 66.98},
    "KDSNN": {"SEW-ResNet18": 63.61, "SEW-ResNet34": 67.28},
    "BKDSNN": {"SEW-ResNet18": 63.43, "SEW-ResNet34": 67.21},
    "TSER": {"SEW-ResNet18": 69.24, "SEW-ResNet34": 73.16},
}
_DEVIATIONS = {"SEW-ResNet18": 0.19, "SEW-ResNet34": 0.15}


def _row(method: str, network: str, paper: float) -> Row:
    deviation = _DEVIATIONS[network] if method == "TSER" else None
    recipe = student(IMAGENET, network, 4, METHODS[method], method)
    return Row(f"{method}, {network}", recipe, paper, deviation, group="with a teacher", numbers={"T": 4})


table = Table(
    "TSER: ImageNet",
    (
        *(
            Row(label, paper=paper, group="without a teacher", numbers={"T": steps})
            for label, (paper, steps) in _QUOTED.items()
        ),
        *(Row(name, teacher(IMAGENET, name), paper, group="ANN teachers") for name, paper in _TEACHERS.items()),
        *(_row(method, network, paper) for method, numbers in _PAPER.items() for network, paper in numbers.items()),
    ),
    source=f"{SOURCE}, table 2",
    columns=("T",),
    note="The schedule is not the paper's, which has none: 100 epochs of SGD with cosine.",
)
