"""Accuracy against minutes on the stand-in: the ladder of `cifar10-minutes` where five seeds of each rung are cheap.

The student is the stand-in's, in at most the time that four epochs of it from scratch take (`plain`); what a rung
trains beside it is counted. Which rungs pay, and whether an ANN's weights or its answers do, is asked with standard
errors; what they reach on a larger network, `cifar10-minutes` asks. An epoch of the ANN takes a third of one at T = 4,
one at T = 1 in batches of 256 a quarter (benchmarks/results.csv).

    plain       cross-entropy, cosine: `scratch` of the stand-in; 4 epochs
    short       + up and down in straight lines, Nesterov, norms' biases at 8 times the rate, alternating flip
    whitened    + a first convolution that whitens patches, and is frozen
    taught      + an ANN of the student's size teaches (KDSNN): 5 epochs of it, 2 of the student from random weights
    start       the ANN's weights are the start, labels teach: as many epochs
    distilled   both: the ANN's weights are the start, and it teaches
    rates       + back on rates for two thirds of the student's epochs, which saves less than one of them

Beside the ladder, one change to `whitened` each: `phases` (T = 1 for 60 % of the images) and `drawn` (T drawn for each
batch from 1 to 4); `start` with the potential at half the threshold before the first step (`half`); `start` and `half`
with T drawn. What has an ANN's weights, but for `rates`, stands there again in the time of 16 epochs, with `plain`, and
`distilled` with T drawn. The learning rates are chosen on held-out images by `standin-minutes-choice`.
"""

from dataclasses import replace

from spikedistill.methods import CrossEntropy, KDSNNResponse
from spikedistill.optim import Triangle
from spikedistill.recipe import Recipe
from spikedistill.recipes._short import (
    AUGMENT,
    HALF,
    ONE_STEP_FIRST,
    RATES_FIRST,
    REESTIMATE,
    STARTED,
    STEPS_DRAWN,
    parts,
)
from spikedistill.recipes._standin import CANDIDATES, SOURCE, scratch
from spikedistill.starts import Whitened, ann_of, from_ann
from spikedistill.table import Row, Table
from spikedistill.teachers import FromRecipe

GROUP = "experiments"
CITES = ("kdsnn",)
LEARNING_RATE = 0.1
"""Of all that begins at random; chosen by `standin-minutes-choice`, as the next."""
STARTED_LEARNING_RATE = 0.03
"""Of all that begins with the ANN's weights."""


_TAUGHT = KDSNNResponse(CANDIDATES["kdsnn"].chosen)


def whitened_at(learning_rate: float) -> Recipe:
    """From random weights, by labels."""
    return replace(
        scratch,
        name="standin-minutes-whitened",
        data=replace(scratch.data, augment=AUGMENT),
        optimizer=parts(learning_rate),
        schedule=Triangle(),
        start=(Whitened(),),
    )


def distilled_at(learning_rate: float, epochs: int = 2, of_ann: int = 5) -> Recipe:
    """From the ANN's weights, taught by it."""
    student = replace(
        _lasting(whitened, epochs),
        name="standin-minutes-distilled",
        method=_TAUGHT,
        optimizer=parts(learning_rate),
        schedule=STARTED,
    )
    return from_ann(student, _lasting(ann, of_ann))


def _lasting(recipe: Recipe, epochs: int) -> Recipe:
    return replace(recipe, epochs=epochs, evaluate_every=epochs)


def _by_labels(recipe: Recipe) -> Recipe:
    name = recipe.name.replace("distilled", "start")
    return replace(recipe, name=name, method=CrossEntropy(), teacher=None)


def _half(recipe: Recipe) -> Recipe:
    return replace(recipe, name=recipe.name.replace("start", "half"), neuron=HALF)


def _drawn(recipe: Recipe, epochs: int) -> Recipe:
    return replace(
        _lasting(recipe, epochs),
        name=f"{recipe.name}-drawn",
        phases=STEPS_DRAWN,
        reestimate=REESTIMATE,
    )


plain = replace(scratch, name="standin-minutes-plain")
whitened = whitened_at(LEARNING_RATE)
short = replace(whitened, name="standin-minutes-short", start=())
ann = _lasting(ann_of(short, name="standin-minutes-ann", start=(Whitened(),), batch_size=128), 5)
taught = replace(_lasting(whitened, 2), name="standin-minutes-taught", method=_TAUGHT, teacher=FromRecipe(ann))
distilled = distilled_at(STARTED_LEARNING_RATE)
start = _by_labels(distilled)
half = _half(start)
rates = replace(
    distilled,
    name="standin-minutes-rates",
    phases=RATES_FIRST,
)
phases = replace(
    _lasting(whitened, 7),
    name="standin-minutes-phases",
    phases=ONE_STEP_FIRST,
    reestimate=REESTIMATE,
)
drawn = replace(_drawn(whitened, 5), name="standin-minutes-drawn")
distilled_drawn = _drawn(distilled, 2)
_longer = distilled_at(STARTED_LEARNING_RATE, 9, 18)
_LONGER_DRAWN = 12
"""Epochs by labels with T drawn in the time of 16."""
half_drawn = _drawn(_half(_by_labels(_longer)), _LONGER_DRAWN)


def _label(recipe: Recipe) -> str:
    return recipe.name.removeprefix("standin-minutes-")


def _from_weights(distilled: Recipe, drawn_epochs: int, group: str) -> tuple[Row, ...]:
    start = _by_labels(distilled)
    named = {"start": start, "half": _half(start), "distilled": distilled}
    with_drawn = {f"{label} and drawn": _drawn(named[label], drawn_epochs) for label in ("start", "half")}
    return tuple(Row(label, one, group=group) for label, one in (named | with_drawn).items())


table = Table(
    "Stand-in: accuracy against minutes",
    (
        *(Row(_label(one), one, group="4 epochs") for one in (plain, short, whitened, taught)),
        *_from_weights(distilled, 3, "4 epochs"),
        *(Row(_label(one), one, group="4 epochs") for one in (rates, phases, drawn)),
        Row("plain", _lasting(plain, 16), group="16 epochs"),
        *_from_weights(_longer, _LONGER_DRAWN, "16 epochs"),
        Row("distilled and drawn", _drawn(_longer, 11), group="16 epochs"),
    ),
    source=SOURCE,
    seeds=(0, 1, 2, 3, 4),
    baseline="plain",
    columns=("T = 1", "T = 2"),
    note="Stand-in: spiking 32C3-P2-64C3-P2-256FC, T = 4, 12,500 images of CIFAR-10, in at most the time of 4 or 16 "
    "epochs from scratch, the ANN's counted: `python -m benchmarks.minutes --table standin-minutes`.",
)
