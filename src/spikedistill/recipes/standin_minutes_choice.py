"""The learning rates of `standin-minutes`, judged on validation images.

What is best here is written into `standin_minutes.py` by hand, that of `whitened` first: the ANN has it too.
"""

from dataclasses import replace

from spikedistill.recipes._standin import SOURCE
from spikedistill.recipes.standin_minutes import distilled_at, whitened_at
from spikedistill.recipes.standin_minutes import table as _table
from spikedistill.table import Row, Table

GROUP = "experiments"
CITES = ("kdsnn",)
LEARNING_RATES = (0.03, 0.1, 0.3)

table = Table(
    "Stand-in: choice of learning rates for accuracy against minutes",
    tuple(
        Row(f"{rate:g}", replace(recipe_at(rate), name=f"standin-minutes-{rung}-{rate:g}"), group=rung)
        for rung, recipe_at in (("whitened", whitened_at), ("distilled", distilled_at))
        for rate in LEARNING_RATES
    ),
    source=SOURCE,
    seeds=(0,),
    columns=("validation",),
    note=f"{_table.note} The column `validation` chooses; the accuracy stands beside it and chooses nothing.",
)
