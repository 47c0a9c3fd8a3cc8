"""The spiking twin of the network of `plain_wrn.py`: `spikedistill train twin.py:student`, beside plain_wrn.pt.

`by_muon` is the same in four epochs, with Muon for filters.
"""

from dataclasses import replace

from spikedistill import load_recipe
from spikedistill.models import Twin

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
