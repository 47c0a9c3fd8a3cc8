"""MNIST's 99.3 % in few minutes: the spiking 2conv of `mnist` from its ANN's weights, and taught by it.

`mnist-scratch` takes six epochs at T = 4. Here two epochs go to the ANN (T = 1, a third of the cost) and one to the
spiking network, whose first half is at T = 1 in batches of four times as many images: a quarter of the time, and 3.8
minutes on the machine of results/README.md.
"""

from dataclasses import replace

from spikedistill.data import Crop
from spikedistill.data.mnist import MNIST
from spikedistill.methods import KDSNNResponse
from spikedistill.models import ConvNet
from spikedistill.neurons import IF
from spikedistill.optim import SGD, Linear, Phase, Triangle
from spikedistill.recipe import Recipe
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
    optimizer=SGD(learning_rate=0.03, nesterov=True, norm_bias_factor=8.0),
    schedule=Linear(warmup_epochs=0.05),
    phases=(Phase(0.5, steps=1, batch_size=256), Phase(1.0)),
    reestimate=2048,
    batch_size=64,
    epochs=1,
)
ann = ann_of(
    replace(_student, phases=(), reestimate=0),
    name="mnist-minutes-ann",
    optimizer=SGD(learning_rate=0.1, nesterov=True, norm_bias_factor=8.0),
    schedule=Triangle(),
    batch_size=128,
    epochs=2,
)
distilled = from_ann(_student, ann)

table = Table(
    "MNIST in few minutes: the spiking 2conv at T = 4, from its ANN and taught by it",
    (Row("ann", ann, group="4 minutes"), Row("distilled", distilled, group="4 minutes")),
    source="An experiment of ours, no paper's setting",
    columns=("T = 1", "T = 2"),
    note="The minutes are both trainings' together: `python -m benchmarks.minutes --table mnist-minutes`.",
)
