"""What the tables of reverse KD (Xu et al., 2024) share: its networks, data, methods and a protocol.

The paper gives T = 4 (16 on DVS-Gesture), IF neurons and the networks. Open in it, and chosen here:
- Images: as the code that it builds on (Tf-KD), 200 epochs of SGD (0.1, momentum 0.9, weight decay 5e-4), batches of
  128, random crops and flips; with cosine where that has steps, and without its rotations.
- DVS-Gesture: 16 frames of equally many events, 200 epochs of Adam (1e-3) with cosine, batches of 16; PLIF and dropout
  of 1/2 as in the network that it refers to (Fang et al., 2021), without its voting.
- Sparse-KD: all convolutions' weights sorted together, no training after pruning; alpha = 1/2, temperature 6 (Tf-KD's
  for self-distillation) with its square.
- Default-KD: 0.99 on the label, weight 1/2, softened by powers at temperature 4. The paper probably ran Tf-KD's code,
  softmax(p / T) at 20: `TFKD`, in a row of its own.
- The student begins anew: its teacher, of the same architecture, is trained with a seed of its own (100) once for
  students of all seeds. With the student's seed it would begin with the same weights.

The budget for two cores: 10,000 images and 2 epochs; on DVS-Gesture, which has 1,176, all and 10 epochs.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spikedistill.data.cifar100 import CIFAR100
from spikedistill.data.dataset import Augment, Dataset
from spikedistill.data.dvs_gesture import DVSGesture
from spikedistill.data.tiny_imagenet import TinyImageNet
from spikedistill.methods import DefaultKD, Method, VanillaKD
from spikedistill.models import VGG, WRN, ConvNet, Model, ResNet
from spikedistill.neurons import IF, PLIF, ATan
from spikedistill.optim import SGD, Adam
from spikedistill.recipe import Recipe, Teacher
from spikedistill.table import Row
from spikedistill.teachers import FromRecipe, Pruned

SOURCE = "Xu et al., Reversing Structural Pattern Learning, ACM MM 2024"
NOTE = (
    "The schedule is not the paper's, which has none: 200 epochs; one teacher, of seed 100, for students of all seeds."
)
CPU = {"epochs": 2, "data.train_size": 10_000, "evaluate_every": 2}
_GESTURE_CPU = {"epochs": 10, "data.train_size": 0, "evaluate_every": 10}
CIFAR, TINY, GESTURE = "CIFAR-100", "Tiny-ImageNet", "DVS-Gesture"
SPARSE: Method = VanillaKD(temperature=6.0)
DEFAULT: Method = DefaultKD()
TFKD: Method = DefaultKD(soften="tfkd", temperature=20.0)
_NETWORKS: dict[str, Model] = {
    "ResNet18": ResNet(18),
    "WRN16-4": WRN(16, 4),
    "VGG16": VGG(16),
    "5Conv-1FC": ConvNet((128,) * 5, (), 0.5),
}
_IMAGES = Augment(crop=4, flip=True)
_DATA: dict[str, Dataset] = {
    CIFAR: CIFAR100(augment=_IMAGES),
    TINY: TinyImageNet(augment=_IMAGES),
    GESTURE: DVSGesture(frames=16),
}


def student(data: str, network: str) -> Recipe:
    """A student without any teacher."""
    scratch = Recipe(
        name=f"reverse-kd-{data.lower()}-{network.lower()}-student",
        data=_DATA[data],
        model=_NETWORKS[network],
        neuron=IF(),
        steps=4,
        optimizer=SGD(0.1, weight_decay=5e-4),
        epochs=200,
    )
    if data != GESTURE:
        return scratch
    return replace(
        scratch, neuron=PLIF(detach_reset=True, surrogate=ATan()), steps=16, optimizer=Adam(1e-3), batch_size=16
    )


def sparse(data: str, network: str, ratio: float) -> Recipe:
    """The student taught by its own network, of which a share of the convolutions' weights is pruned."""
    scratch = student(data, network)
    own = replace(scratch, name=scratch.name.replace("student", "teacher"), seed=100)
    name = scratch.name.replace("student", f"sparse-kd-{ratio:g}")
    return replace(scratch, name=name, method=SPARSE, teacher=Pruned(FromRecipe(own), ratio))


def default(data: str, network: str, method: Method = DEFAULT) -> Recipe:
    """The student taught by a virtual teacher."""
    scratch = student(data, network)
    how = "default-kd" if method == DEFAULT else "default-kd-tfkd"
    return replace(scratch, name=scratch.name.replace("student", how), method=method)


def row(label: str, recipe: Recipe, paper: float, group: str, numbers: Mapping[str, float] | None = None) -> Row:
    """A row of ours; its reduction for two cores is another one on DVS-Gesture."""
    cpu = _of_teachers(recipe.teacher, _GESTURE_CPU) if recipe.data == _DATA[GESTURE] else {}
    return Row(label, recipe, paper, group=group, numbers=numbers or {}, cpu=cpu)


def _of_teachers(teacher: Teacher | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of a student, and of the recipe within its pruned teacher."""
    paths = [""] if teacher is None else ["", "teacher.teacher.recipe."]
    return {f"{path}{name}": value for path in paths for name, value in changes.items()}


def quoted(group: str, label: str, accuracy: float, steps: int | None = None) -> Row:
    """A row of other people's, as the paper prints it."""
    return Row(label, paper=accuracy, group=group, numbers={} if steps is None else {"T": steps})
