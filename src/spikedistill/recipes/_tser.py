"""What the tables of TSER (Yu et al., CVPR 2025) share: its networks, data, methods and a protocol.

The paper gives networks, T, tau = 5 and a range of lambda. Open in it, and chosen here, mostly from the public code of
the same group (temporal decoupling, ICML 2025):
- CIFAR: 300 epochs of SGD (0.1, momentum 0.9, weight decay 5e-4) with cosine, batches of 128; crops, flips, the policy
  of AutoAugment for CIFAR-10 and cutout of 16, for both sets and for teachers, whose accuracies need them.
- ImageNet: 100 epochs of SGD (0.2, weight decay 2e-5), batches of 512, random resized crops and flips; IF neurons with
  detached reset, as those of SEW's own code. The teachers are the same networks as ANNs.
- LIF with tau = 2, threshold 1, hard reset to 0, the input not divided by tau, the reset in the backward pass.
- alpha = 1/2, lambda = 0.05, tau^2 beside the KL.
- ResNet34 teaches ResNet18, ResNet19 itself, VGG16 VGG16 and VGG11: the teachers that table 1 prints.
- Comparators are this library's defaults: LaSNN is attention transfer beside labels; KDSNN is responses and features
  together, as the paper describes it; BKDSNN is its public code's. In table 1 LaSNN and BKDSNN share seven numbers, so
  that one of the two columns is not what it says.
- A student is taught by a teacher of its own seed.

The budget for two cores: 10,000 images and 2 epochs; none for ImageNet, whose 50,000 test images alone take hours.
"""

from dataclasses import replace

from spikedistill.data.augment import Flip
from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.cifar100 import CIFAR100
from spikedistill.data.dataset import Augment, Dataset
from spikedistill.data.imagenet import ImageNet
from spikedistill.data.resized_crop import ResizedCrop
from spikedistill.methods import (
    BKDSNN,
    TSER,
    CrossEntropy,
    KDSNNFeature,
    KDSNNResponse,
    LaSNN,
    Method,
    Sum,
)
from spikedistill.models import VGG, Model, ResNet, ResNet19, SEWResNet
from spikedistill.neurons import IF, LIF, ReLU
from spikedistill.optim import SGD
from spikedistill.recipe import Recipe
from spikedistill.teachers import FromRecipe

SOURCE = "Yu et al., TSER, CVPR 2025"
NOTE = "The schedule is not the paper's, which has none: 300 epochs of SGD with cosine, AutoAugment and cutout."
CPU = {"epochs": 2, "data.train_size": 10_000, "evaluate_every": 2}
CIFAR10_, CIFAR100_, IMAGENET = "CIFAR-10", "CIFAR-100", "ImageNet"
FULL = TSER()
VANILLA = TSER(separate_ce=0.0, separate_kl=0.0, entropy=0.0)
"""TSER without its parts: distillation on the mean of the logits."""
METHODS: dict[str, Method] = {
    "LaSNN": Sum((CrossEntropy(), LaSNN())),
    "KDSNN": Sum((KDSNNResponse(), KDSNNFeature())),
    "BKDSNN": BKDSNN(),
    "TSER": FULL,
}
TEACHER_OF = {
    "ResNet18": "ResNet34",
    "ResNet19": "ResNet19",
    "VGG16": "VGG16",
    "VGG11": "VGG16",
    "SEW-ResNet18": "SEW-ResNet18",
    "SEW-ResNet34": "SEW-ResNet34",
}
_NETWORKS: dict[str, Model] = {
    "ResNet18": ResNet(18),
    "ResNet34": ResNet(34),
    "ResNet19": ResNet19(),
    "VGG16": VGG(16, "avg", ()),
    "VGG11": VGG(11, "avg", ()),
    "SEW-ResNet18": SEWResNet(18),
    "SEW-ResNet34": SEWResNet(34),
}
_AUGMENT = Augment(crop=4, flip=True, policy="cifar10", cutout=16)
_DATA: dict[str, Dataset] = {
    CIFAR10_: CIFAR10(augment=_AUGMENT),
    CIFAR100_: CIFAR100(augment=_AUGMENT),
    IMAGENET: ImageNet(augment=(ResizedCrop(), Flip())),
}


def teacher(data: str, network: str) -> Recipe:
    """An ANN from scratch."""
    on_imagenet = data == IMAGENET
    return Recipe(
        name=f"tser-{data.lower()}-{network.lower()}-ann",
        data=_DATA[data],
        model=_NETWORKS[network],
        neuron=ReLU(),
        optimizer=SGD(0.2, weight_decay=2e-5) if on_imagenet else SGD(0.1, weight_decay=5e-4),
        batch_size=512 if on_imagenet else 128,
        epochs=100 if on_imagenet else 300,
    )


def student(data: str, network: str, steps: int, method: Method, name: str) -> Recipe:
    """A student with a method, from the teacher that the paper gives it."""
    ann = teacher(data, TEACHER_OF[network])
    return replace(
        ann,
        name=f"tser-{data.lower()}-{network.lower()}-t{steps}-{name.lower().replace(' ', '-')}",
        model=_NETWORKS[network],
        neuron=IF(detach_reset=True) if data == IMAGENET else LIF(tau=2.0, decay_input=False),
        steps=steps,
        method=method,
        teacher=FromRecipe(ann),
    )
