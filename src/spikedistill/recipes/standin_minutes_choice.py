"""The learning rates of `standin-minutes`, judged on validation images.

What is best here is written into `standin_minutes.py` by hand, that of `whitened` first: the ANN has it too.
`half-drawn` asks whether six times the epochs from weights (`half and drawn` in the time of 16 epochs) want another
rate than two, or smoothed labels.
"""

from dataclasses import replace

from spikedistill.methods import CrossEntropy
from spikedistill.recipe import Recipe
from spikedistill.recipes._short import parts
from spikedistill.recipes._standin import SOURCE
from spikedistill.recipes.standin_minutes import distilled_at, half_drawn, whitened_at
from spikedistill.recipes.standin_minutes import table as _table
from spikedistill.table import Row, Table

GROUP = "experiments"
CITES = ("kdsnn",)
LEARNING_RATES = (0.03, 0.1, 0.3)


def _half_drawn_at(learning_rate: float) -> Recipe:
    return replace(half_drawn, optimizer=parts(learning_rate))


def _smoothed(recipe: Recipe, share: float) -> Recipe:
    return replace(recipe, name=f"{recipe.name}-smoothed-{share:g}", method=CrossEntropy(label_smoothing=share))


table = Table(
    "Stand-in: choice of learning rates for accuracy against minutes",
    tuple(
        Row(f"{rate:g}", replace(recipe_at(rate), name=f"standin-minutes-{rung}-{rate:g}"), group=rung)
        for rung, recipe_at in (
            ("whitened", whitened_at),
            ("distilled", distilled_at),
            ("half-drawn", _half_drawn_at),
        )
        for rate in LEARNING_RATES
    )
    + tuple(
        Row(f"label smoothing {share:g}", _smoothed(half_drawn, share), group="half-drawn") for share in (0.1, 0.2)
    ),
    source=SOURCE,
    seeds=(0,),
    columns=("validation",),
    note=f"{_table.note} The column `validation` chooses; the accuracy stands beside it and chooses nothing.",
)
