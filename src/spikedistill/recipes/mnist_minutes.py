"""MNIST's 99.3 % in few minutes: the spiking 2conv of `mnist` from its ANN's weights.

`mnist-scratch` takes six epochs at T = 4. Here two epochs go to the ANN (T = 1, a third of the cost) and one to the
spiking network, which the ANN teaches and whose first half is at T = 1 in batches of four times as many images: a
quarter of the time, some four minutes on the machine of results/README.md.

`half` has one epoch of the ANN, and takes from the stand-in what pays there in short trainings: labels teach, and the
potential is at half the threshold before the first step, with which one time step does nearly what four do, so that
seven tenths of the epoch are at T = 1.
"""

from dataclasses import replace

from spikedistill.data import Crop
from spikedistill.data.mnist import MNIST
from spikedistill.methods import CrossEntropy, KDSNNResponse
from spikedistill.models import ConvNet
from spikedistill.neurons import IF
from spikedistill.optim import Phase, Triangle
from spikedistill.recipe import Recipe
from spikedistill.recipes._short import HALF, REESTIMATE, STARTED, parts
from spikedistill.starts import ann_of, from_ann
from spikedistill.table import Row, Table

GROUP = "experiments"
CITES = ("kdsnn",)

_student = Recipe(
    name="mnist-minutes-distilled",
    data=MNIST(augment=(Crop(2),)),
    model=ConvNet(),
    neuron=IF(detach_reset=True),
    steps=4,
    method=KDSNNResponse(),
    optimizer=parts(0.03),
    schedule=STARTED,
    phases=(Phase(0.5, steps=1, batch_size=256), Phase(1.0)),
    reestimate=REESTIMATE,
    batch_size=64,
    epochs=1,
)
ann = ann_of(
    replace(_student, phases=(), reestimate=0),
    name="mnist-minutes-ann",
    optimizer=parts(0.1),
    schedule=Triangle(),
    batch_size=128,
    epochs=2,
)
distilled = from_ann(_student, ann)

ann_brief = replace(ann, name="mnist-minutes-ann-brief", epochs=1)
half = from_ann(
    replace(
        _student,
        name="mnist-minutes-half",
        method=CrossEntropy(),
        neuron=HALF,
        phases=(Phase(0.7, steps=1, batch_size=256), Phase(1.0)),
    ),
    ann_brief,
)

table = Table(
    "MNIST in few minutes: the spiking 2conv at T = 4 from its ANN",
    (
        Row("ann", ann, group="4 minutes"),
        Row("distilled", distilled, group="4 minutes"),
        Row("ann", ann_brief, group="2 minutes"),
        Row("half", half, group="2 minutes"),
    ),
    source="An experiment of ours, no paper's setting",
    columns=("T = 1", "T = 2"),
    note="The minutes are both trainings' together: `python -m benchmarks.minutes --table mnist-minutes`.",
)
