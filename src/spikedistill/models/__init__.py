"""Networks: one definition each, an ANN or an SNN by the choice of neuron."""

from spikedistill.models.convnet import ConvNet
from spikedistill.models.mlp import MLP
from spikedistill.models.model import Model, Network, Shape
from spikedistill.models.module import TorchModule
from spikedistill.models.pyramidnet import PyramidNet
from spikedistill.models.resnet import CifarResNet, ResNet, ResNet19
from spikedistill.models.sew import SEWResNet
from spikedistill.models.twin import Twin
from spikedistill.models.vgg import VGG
from spikedistill.models.wrn import WRN, PreResNet
from spikedistill.values.kinds import shipped_kinds

__all__ = [
    "MLP",
    "VGG",
    "WRN",
    "CifarResNet",
    "ConvNet",
    "Model",
    "Network",
    "PreResNet",
    "PyramidNet",
    "ResNet",
    "ResNet19",
    "SEWResNet",
    "Shape",
    "TorchModule",
    "Twin",
    "models",
]


def models() -> dict[str, type[Model]]:
    """All architectures of this folder, by their names on the command line, in alphabetical order."""
    return shipped_kinds(Model)
