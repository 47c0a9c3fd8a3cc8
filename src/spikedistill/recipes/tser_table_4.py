"""TSER, table 4: operations, energy and firing rate of five methods, CIFAR-100, T = 4.

The paper's numbers are those of syops-counter: 4.6 pJ for a multiply-accumulate, 0.9 pJ for an accumulate, norms and
pools counted. Of VGG16 it prints energies that its own counts do not give: they are 1.415 (KDSNN), 1.397 (LaSNN) and
1.416 mJ (BKDSNN). Ours are filled in from `spikedistill evaluate RUN... --what energy`; seconds a
batch are those of training, on the machine of the run.
"""

from spikedistill.recipes._tser import CIFAR100_, CPU, METHODS, NOTE, SOURCE, VANILLA, student
from spikedistill.table import Row, Table

CITES = ("tser", "lasnn", "kdsnn", "kdsnn-feature", "bkdsnn")
_COLUMNS = ("syops OPs", "syops ACs", "syops MACs", "syops energy", "seconds a batch", "rate")
_METHODS = {"vanilla KD": VANILLA} | METHODS
_PAPER = {
    "ResNet18": {
        "vanilla KD": (2230.0, 405.33, 12.2, 0.42, 2.78, 22.85),
        "KDSNN": (2230.0, 411.49, 12.2, 0.43, 2.67, 23.23),
        "LaSNN": (2230.0, 300.94, 12.2, 0.33, 2.79, 16.76),
        "BKDSNN": (2230.0, 511.57, 12.2, 0.52, 2.84, 34.93),
        "TSER": (2230.0, 405.98, 12.2, 0.42, 2.70, 22.95),
    },
    "VGG16": {
        "vanilla KD": (1260.0, 159.96, 274.2, 1.40, 2.43, 18.91),
        "KDSNN": (1260.0, 170.79, 274.2, 1.39, 2.39, 18.59),
        "LaSNN": (1260.0, 150.96, 274.2, 1.41, 2.44, 17.25),
        "BKDSNN": (1260.0, 171.94, 274.2, 1.40, 2.58, 18.66),
        "TSER": (1260.0, 160.92, 274.2, 1.41, 2.40, 20.05),
    },
}

table = Table(
    "TSER: energy and firing rate",
    tuple(
        Row(
            method,
            student(CIFAR100_, network, 4, _METHODS[method], method),
            group=network,
            numbers=dict(zip(_COLUMNS, numbers, strict=True)),
        )
        for network, methods in _PAPER.items()
        for method, numbers in methods.items()
    ),
    source=f"{SOURCE}, table 4",
    cpu=CPU,
    baseline="vanilla KD",
    columns=_COLUMNS,
    note=f"{NOTE} OPs, ACs and MACs in millions, energy in mJ, firing rate in %.",
)
