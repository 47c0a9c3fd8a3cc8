"""A first look: scikit-learn's 8x8 digits. The teacher has seen 1,437 labelled images, the spiking student gets 100.

Can its teacher's answers tell the student what the missing images would have? The methods are KDSNN's (Xu et al., CVPR
2023, Eq. 5) and TSER (Yu et al., CVPR 2025), both with the teacher's share at 0.9.
"""

from dataclasses import replace

from spikedistill.data.digits import Digits
from spikedistill.methods import TSER, KDSNNResponse
from spikedistill.models import ConvNet
from spikedistill.neurons import IF, ReLU
from spikedistill.optim import Adam
from spikedistill.recipe import Recipe
from spikedistill.table import Row, Table
from spikedistill.teachers import FromRecipe

GROUP = "start here"
CITES = ("kdsnn", "tser")

teacher = Recipe(
    name="digits-teacher",
    data=Digits(),
    model=ConvNet((16, 16), (64,)),
    neuron=ReLU(),
    optimizer=Adam(1e-2),
    batch_size=64,
    epochs=15,
    precision="fp32",  # the same demo on every machine
)
scratch = Recipe(
    name="digits-scratch",
    data=Digits(train_size=100),
    model=ConvNet((8, 16), (32,)),
    neuron=IF(),
    steps=4,
    optimizer=Adam(5e-3),
    batch_size=20,
    epochs=200,
    precision="fp32",
)
kdsnn = replace(scratch, name="digits-kdsnn", method=KDSNNResponse(alpha=0.9), teacher=FromRecipe(teacher))
tser = replace(kdsnn, name="digits-tser", method=TSER(alpha=0.9))

table = Table(
    "Handwritten digits: a teacher that has seen all images, a spiking student that gets 100",
    (Row("ANN teacher", teacher), Row("SNN scratch", scratch), Row("SNN KDSNN", kdsnn), Row("SNN TSER", tser)),
    source="A first look of ours, no paper's setting",
    cpu={},
    columns=("weights", "T = 1", "T = 2", "T = 3", "T = 4"),
    note="Ask a run at another T: spikedistill evaluate RUN --steps 8.",
)
