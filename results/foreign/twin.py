"""The spiking twin of the network of `plain_wrn.py`: `spikedistill train twin.py:student`, beside plain_wrn.pt.

`by_muon` is the same in four epochs, with Muon for filters, and `slower` that in six, all rates at three tenths; in
`subtracting` a spike takes the threshold off the potential, and each layer is scaled so that 97 % of its activations as
an ANN are below it.
"""

from dataclasses import replace

from spikedistill import load_recipe
from spikedistill.models import Twin
from spikedistill.starts import Calibrated

student = replace(
    load_recipe("cifar10-minutes-half-drawn"),
    name="cifar10-foreign-twin",
    model=Twin(target="plain_wrn:trained"),
    start=(),
    epochs=5,
    evaluate_every=1,
)
by_muon = replace(
    student, name="cifar10-foreign-twin-muon", optimizer=load_recipe("cifar10-minutes-muon").optimizer, epochs=4
)
slower = replace(
    by_muon,
    name="cifar10-foreign-twin-slower",
    optimizer=load_recipe("cifar10-minutes-muon-hour-slower").optimizer,
    epochs=6,
    evaluate_every=3,
)
subtracting = replace(
    by_muon,
    name="cifar10-foreign-twin-subtracting",
    neuron=replace(student.neuron, reset=None),
    start=(Calibrated(percentile=97.0),),
)
