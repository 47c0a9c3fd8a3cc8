"""KDSNN on CIFAR-10 (Xu et al., CVPR 2023, table 1, response-based): ResNet-18 teaches a spiking WRN16-2, T = 4.

Paper: teacher 93.20 %, student from scratch 90.34 %, distilled 90.98 %. It gives no schedule; `teacher`, `scratch` and
`distilled` take the usual one for these networks (SGD, 200 epochs, crop and flip). Those that end in `_short` take as
many epochs as an hour of two CPU cores gives.
"""

from dataclasses import replace

from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.dataset import Augment
from spikedistill.methods import KDSNNResponse
from spikedistill.models import WRN, ResNet
from spikedistill.neurons import IF, ReLU
from spikedistill.optim import SGD, Cosine
from spikedistill.recipe import Recipe
from spikedistill.teachers import FromRecipe

CITES = ("kdsnn",)

teacher = Recipe(
    name="cifar10-teacher",
    data=CIFAR10(augment=Augment(crop=4, flip=True)),
    model=ResNet(18),
    neuron=ReLU(),
    optimizer=SGD(learning_rate=0.1, weight_decay=5e-4),
    epochs=200,
)
scratch = replace(teacher, name="cifar10-scratch", model=WRN(16, 2), neuron=IF(detach_reset=True), steps=4)
distilled = replace(scratch, name="cifar10-distilled", method=KDSNNResponse(), teacher=FromRecipe(teacher))

_short = Cosine(warmup_epochs=0.5)
teacher_short = replace(teacher, name="cifar10-teacher-short", epochs=3, schedule=_short)
scratch_short = replace(scratch, name="cifar10-scratch-short", epochs=3, batch_size=64, schedule=_short)
distilled_short = replace(
    scratch_short, name="cifar10-distilled-short", method=KDSNNResponse(), teacher=FromRecipe(teacher_short)
)
