"""A first look: scikit-learn's 8x8 digits, a small spiking student, a teacher that knows more labels."""

from dataclasses import replace

from spikedistill.data.digits import Digits
from spikedistill.methods import TSER, KDSNNResponse
from spikedistill.models import ConvNet
from spikedistill.neurons import IF, ReLU
from spikedistill.optim import Adam
from spikedistill.recipe import FromRecipe, Recipe

CITATION = r"""
@inproceedings{xu2023kdsnn,
  title     = {Constructing Deep Spiking Neural Networks from Artificial Neural Networks with Knowledge Distillation},
  author    = {Xu, Qi and Li, Yaxin and Shen, Jiangrong and Liu, Jian K. and Tang, Huajin and Pan, Gang},
  booktitle = {CVPR},
  year      = {2023}
}
"""

teacher = Recipe(
    name="digits-teacher",
    data=Digits(),
    model=ConvNet((16, 16), (64,)),
    neuron=ReLU(),
    optimizer=Adam(1e-3),
    batch_size=64,
    epochs=20,
)
scratch = Recipe(
    name="digits-scratch",
    data=Digits(),
    model=ConvNet((4, 8), (16,)),
    neuron=IF(),
    steps=4,
    optimizer=Adam(1e-3),
    batch_size=64,
    epochs=20,
)
kdsnn = replace(scratch, name="digits-kdsnn", method=KDSNNResponse(), teacher=FromRecipe(teacher))
tser = replace(kdsnn, name="digits-tser", method=TSER())
