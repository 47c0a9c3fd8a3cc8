"""TSER, figure 2: accuracy of each time step's output alone, CIFAR-100, T = 2.

The text prints the mean over steps and the difference between them. Vanilla KD's 77.15 % and TSER's 78.13 % of the mean
logits are table 3's. The paper does not say which network and T: table 3's, by those numbers.
"""

from spikedistill.recipes._tser import CIFAR100_, CPU, FULL, NOTE, SOURCE, VANILLA, student
from spikedistill.table import Row, Table

CITES = ("tser",)
_MEAN, _SPREAD = "mean of steps", "spread of steps"

table = Table(
    "TSER: accuracy of each time step",
    (
        Row(
            "vanilla KD",
            student(CIFAR100_, "ResNet18", 2, VANILLA, "vanilla KD"),
            77.15,
            numbers={_MEAN: 74.67, _SPREAD: 0.98},
        ),
        Row("TSER", student(CIFAR100_, "ResNet18", 2, FULL, "TSER"), 78.13, numbers={_MEAN: 76.56, _SPREAD: 0.65}),
    ),
    source=f"{SOURCE}, figure 2",
    cpu=CPU,
    baseline="vanilla KD",
    columns=("step 1", "step 2", _MEAN, _SPREAD),
    note=f"{NOTE} Steps are outputs of single time steps, not of the mean up to there.",
)
