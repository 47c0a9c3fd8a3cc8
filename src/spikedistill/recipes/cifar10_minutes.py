"""Accuracy against minutes: a spiking WRN16-2 on CIFAR-10 at T = 4 in ten minutes of two cores, one change at a time.

Each rung has the parts of the one before it, but for what it says, and takes about ten minutes in all: a twin that is
start or teacher is counted, evaluation is not. (An epoch at T = 4: 212 s; on rates 127 s; at T = 1 and of the ANN 60 s;
the teacher's answers 20 s: the steps of docs/speed.md, times 50,000 images.) Hyper-parameters are those that short
trainings of ANNs take (airbench94, arXiv 2404.00498), none was searched for; that the whitened first convolution comes
so early follows a first look of one seed at a smaller network (docs/short-trainings.md).

    plain       cross-entropy, T = 4 throughout, cosine; 3 epochs
    short       + up and down in straight lines, Nesterov, norms' biases at 8 times the rate, alternating flip
    whitened    + a first convolution that whitens patches, and is frozen
    start       most of the time goes to an ANN: 6 epochs, whose weights are the start; 1 epoch at T = 4
    distilled   + the ANN teaches (KDSNN)
    rates       + back on rates for two thirds; 4 epochs of the ANN, 2 at T = 4

Beside the ladder, one change to `whitened` each: `phases` (T = 1 for 60 % of the images, in batches of four times as
many; 5 epochs), `drawn` (T drawn for each batch from 1 to 4; 4 epochs), `averaged` (EMA); and `distilled-drawn`, which
is `distilled` with T drawn: on the stand-in as good at T = 4 in the same time, and better with fewer steps.

The table has the ladder, and `plain` and `distilled-drawn` again with 15, 30 and 60 minutes, each a run of its own with
its schedule: `spikedistill table cifar10-minutes --run --jobs 2`. The longest of `distilled-drawn` is `hour`; its
network is under `weights/`, that of `muon-hour-slower` too. Beside it `half-drawn` has what was best on the stand-in
since: by labels, the potential at half the threshold before the first step, and fewer epochs of the ANN for more of the
student. What the minutes are on a machine, and the plot, is `python -m benchmarks.minutes`.

`muon` (ten minutes), `muon-quarter` (of an hour) and `muon-hour` are `half-drawn` with Muon for filters, in the ANN and
the student, at the rates of `cifar10-minutes-choice`. `muon-longer-ann` parts the quarter otherwise: 8 epochs of the
ANN and 2 of the student, where `muon-quarter` has 4 and 3. `muon-half-rates` is that at half of the student's rates,
`muon-hour-slower` the hour at three tenths: 12 epochs from the ANN of `hour`, where `muon-hour` has 17 and one by Muon.
"""

from dataclasses import replace

from spikedistill.data import Augment
from spikedistill.data.cifar10 import CIFAR10
from spikedistill.methods import KDSNNResponse
from spikedistill.models import WRN
from spikedistill.neurons import IF
from spikedistill.optim import SGD, Cosine, Triangle
from spikedistill.recipe import Recipe
from spikedistill.recipes._short import (
    AUGMENT,
    BY_MUON,
    HALF,
    ONE_STEP_FIRST,
    RATES_FIRST,
    REESTIMATE,
    STARTED,
    STARTED_BY_MUON,
    STEPS_DRAWN,
    parts,
    times,
)
from spikedistill.starts import Weights, Whitened, ann_of, from_ann
from spikedistill.table import Row, Table
from spikedistill.teachers import FromRecipe

GROUP = "experiments"
CITES = ("kdsnn",)

plain = Recipe(
    name="cifar10-minutes-plain",
    data=CIFAR10(augment=Augment(crop=4, flip=True)),
    model=WRN(16, 2),
    neuron=IF(detach_reset=True),
    steps=4,
    optimizer=SGD(learning_rate=0.1),
    schedule=Cosine(warmup_epochs=0.3),
    batch_size=64,
    epochs=3,
)
short = replace(
    plain,
    name="cifar10-minutes-short",
    data=CIFAR10(augment=AUGMENT),
    optimizer=parts(0.1),
    schedule=Triangle(),
)
whitened = replace(short, name="cifar10-minutes-whitened", start=(Whitened(),))
ann = ann_of(short, name="cifar10-minutes-ann", start=(Whitened(),), batch_size=128, epochs=6)
ann_brief = replace(ann, name="cifar10-minutes-ann-brief", epochs=4)
ann_long = replace(ann, name="cifar10-minutes-ann-long", epochs=25)
start = replace(
    short,
    name="cifar10-minutes-start",
    start=(Weights(FromRecipe(ann)), Whitened()),
    optimizer=parts(0.03),
    schedule=STARTED,
    epochs=1,
)
_taught = replace(start, method=KDSNNResponse(), start=(Whitened(),))
distilled = from_ann(replace(_taught, name="cifar10-minutes-distilled"), ann)
rates = from_ann(
    replace(
        _taught,
        name="cifar10-minutes-rates",
        phases=RATES_FIRST,
        epochs=2,
    ),
    ann_brief,
)

phases = replace(
    whitened,
    name="cifar10-minutes-phases",
    phases=ONE_STEP_FIRST,
    reestimate=REESTIMATE,  # what is evaluated while it trains at T = 1
    epochs=5,
)
drawn = replace(whitened, name="cifar10-minutes-drawn", phases=STEPS_DRAWN, reestimate=REESTIMATE, epochs=4)
averaged = replace(whitened, name="cifar10-minutes-averaged", ema=0.99, reestimate=REESTIMATE)

PLAIN_EPOCHS = {15: 4, 30: 8, 60: 17}
"""Of `plain`, by minutes."""


def _distilled_drawn(ann: Recipe, epochs: int) -> Recipe:
    student = replace(
        _taught,
        name="cifar10-minutes-distilled-drawn",
        phases=STEPS_DRAWN,
        reestimate=REESTIMATE,
        epochs=epochs,
        evaluate_every=min(5, epochs),
    )
    return from_ann(student, ann)


distilled_drawn = _distilled_drawn(ann_brief, 2)
hour = replace(_distilled_drawn(ann_long, 10), name="cifar10-minutes-hour")
DISTILLED_DRAWN = {
    15: _distilled_drawn(replace(ann, name="cifar10-minutes-ann-9-epochs", epochs=9), 2),
    30: _distilled_drawn(replace(ann, name="cifar10-minutes-ann-15-epochs", epochs=15), 5),
    60: hour,
}
"""By minutes."""


def _half_drawn(ann: Recipe, epochs: int) -> Recipe:
    return replace(
        start,
        name="cifar10-minutes-half-drawn",
        neuron=HALF,
        start=(Weights(FromRecipe(ann)), Whitened()),
        phases=STEPS_DRAWN,
        reestimate=REESTIMATE,
        epochs=epochs,
        evaluate_every=min(5, epochs),
    )


def _ann_by_muon(ann: Recipe) -> Recipe:
    return replace(ann, name=f"{ann.name}-muon", optimizer=BY_MUON)


def _by_muon(half_drawn: Recipe, name: str = "cifar10-minutes-muon", factor: float = 1.0) -> Recipe:
    return replace(half_drawn, name=name, optimizer=times(STARTED_BY_MUON, factor))


ann_12_epochs = replace(ann, name="cifar10-minutes-ann-12-epochs", epochs=12)
half_drawn = _half_drawn(ann_12_epochs, 17)
ann_brief_muon, ann_12_epochs_muon = _ann_by_muon(ann_brief), _ann_by_muon(ann_12_epochs)
muon = _by_muon(_half_drawn(ann_brief_muon, 2))
muon_quarter = _by_muon(_half_drawn(ann_brief_muon, 3), "cifar10-minutes-muon-quarter")
ann_8_epochs_muon = _ann_by_muon(replace(ann, name="cifar10-minutes-ann-8-epochs", epochs=8))
muon_longer_ann = _by_muon(_half_drawn(ann_8_epochs_muon, 2), "cifar10-minutes-muon-longer-ann")
muon_half_rates = _by_muon(_half_drawn(ann_8_epochs_muon, 2), "cifar10-minutes-muon-half-rates", 0.5)
muon_hour = _by_muon(_half_drawn(ann_12_epochs_muon, 17), "cifar10-minutes-muon-hour")
muon_hour_slower = _by_muon(_half_drawn(ann_long, 12), "cifar10-minutes-muon-hour-slower", 0.3)
HALF_DRAWN = {
    15: {
        "muon": muon_quarter,
        "muon from a longer ANN": muon_longer_ann,
        "muon from a longer ANN at half the rates": muon_half_rates,
    },
    30: {},
    60: {
        "half-drawn": half_drawn,
        "muon": muon_hour,
        "muon from the longest ANN at three tenths of the rates": muon_hour_slower,
    },
}
"""By minutes, and label."""

LADDER = (plain, short, whitened, start, distilled, rates)
BESIDE = (phases, drawn, averaged, distilled_drawn, muon)
LONGER = {
    minutes: {
        "plain": replace(plain, epochs=PLAIN_EPOCHS[minutes]),
        "distilled-drawn": DISTILLED_DRAWN[minutes],
        **HALF_DRAWN[minutes],
    }
    for minutes in PLAIN_EPOCHS
}
"""Likewise, all of them."""


def _label(recipe: Recipe) -> str:
    return recipe.name.removeprefix("cifar10-minutes-")


table = Table(
    "Accuracy against minutes: a spiking WRN16-2 on CIFAR-10 at T = 4, on two cores",
    (
        *(Row(_label(one), one, group="10 minutes") for one in (*LADDER, *BESIDE)),
        *(
            Row(label, one, group=f"{minutes} minutes")
            for minutes, labelled in LONGER.items()
            for label, one in labelled.items()
        ),
    ),
    source="An experiment of ours, no paper's setting",
    seeds=(0, 1, 2),
    baseline="plain",
    columns=("T = 1", "T = 2"),
    note="Budgets hold for the two cores of docs/speed.md, a start's or teacher's training counted and evaluation not: "
    "`python -m benchmarks.minutes` measures those of yours.",
)
