"""The stand-in's hyper-parameters: the learning rate, and the main weight of each method, judged on validation images.

What is best here is written into `_standin.py` by hand. The learning rate comes first: the rest is run at it.
"""

from dataclasses import replace

from spikedistill.recipes._standin import CANDIDATES, LEARNING_RATES, NOTE, SOURCE, candidate, scratch_at
from spikedistill.table import Row, Table

GROUP = "experiments"
CITES = ("vanilla-kd", "sparse-kd", "kdsnn", "tser", "distilling-spikes", "default-kd")

_learning_rates = tuple(
    Row(f"{rate:g}", replace(scratch_at(rate), name=f"standin-scratch-{rate:g}"), group="learning rate")
    for rate in LEARNING_RATES
)

table = Table(
    "Stand-in: choice of hyper-parameters on validation images",
    (
        *_learning_rates,
        *(
            Row(f"{one.weight} {value:g}", candidate(label, value), group=label)
            for label, one in CANDIDATES.items()
            for value in one.values
        ),
    ),
    source=SOURCE,
    seeds=(0,),
    teacher_seed="kept",
    columns=("validation",),
    note=f"{NOTE} The column `validation` chooses; the accuracy stands beside it and chooses nothing.",
)
