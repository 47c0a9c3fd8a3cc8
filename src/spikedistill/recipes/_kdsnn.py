"""What the tables of KDSNN (Xu et al., CVPR 2023) share: its networks, data, methods and a protocol.

The paper gives T = 4, IF neurons and the networks. Open in it, and chosen here as the usual for such networks:
- CIFAR-10: 200 epochs of SGD (0.1, momentum 0.9, weight decay 5e-4) with cosine, batches of 128, crops and flips.
- MNIST and its noisy sets: 100 epochs, the same optimiser, random shifts by up to two pixels on MNIST, none on the sets
  that are rotated or have a background.
- Responses: alpha = 1/2, temperature 4 (its code base has 0.9 and 20, or 4). Features: the weights of the code that its
  loss is from; labels count once, and no responses beside them.
- IF with threshold 1, hard reset to 0, detached; the readout is linear, where Algorithm 1 counts output spikes.
- A student is taught by a teacher of its own seed. Accuracies are the last epoch's; the paper does not say.

The budget for two cores: CIFAR-10 with 10,000 images and 3 epochs, teachers too; MNIST with 4 epochs for its teacher;
the noisy sets and all students of MNIST with 10. Test images are seen after the last epoch alone.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.dataset import Augment, Dataset
from spikedistill.data.mnist import MNIST
from spikedistill.data.noisy import NoisyCIFAR10, NoisyMNIST, Variation
from spikedistill.data.own import Facts
from spikedistill.methods import CrossEntropy, KDSNNFeature, KDSNNResponse, Method, Sum
from spikedistill.models import VGG, WRN, CifarResNet, ConvNet, Model, PreResNet, PyramidNet, ResNet
from spikedistill.neurons import IF, ReLU
from spikedistill.optim import SGD
from spikedistill.recipe import Recipe
from spikedistill.teachers import FromRecipe

SOURCE = "Xu et al., KDSNN, CVPR 2023"
NOTE = "T = 4; the schedule is not the paper's, which has none: 200 epochs on CIFAR-10, 100 on MNIST, SGD with cosine."
TEACHERS: dict[str, tuple[Model, float]] = {
    "ResNet18": (ResNet(18), 93.20),
    "WRN28-4": (WRN(28, 4), 93.10),
    "Pyramidnet18": (PyramidNet(), 95.10),
    "PreResNet20": (PreResNet(20), 92.36),
}
"""ANNs, and what table 1 prints for them; table 4 has 95.17 for Pyramidnet18."""
STUDENTS: dict[str, tuple[Model, float | None]] = {
    "VGG11": (VGG(11), 88.44),
    "VGG16": (VGG(16), None),
    "WRN16-2": (WRN(16, 2), 90.34),
    "ResNet18": (ResNet(18), 92.68),
    "ResNet14": (CifarResNet(14), 87.46),
}
"""SNNs, and what table 1 prints for them from scratch."""
RESPONSES: Method = KDSNNResponse()
FEATURES: Method = Sum((CrossEntropy(), KDSNNFeature()))
CIFAR: Dataset = CIFAR10(augment=Augment(crop=4, flip=True))
DIGITS: Dataset = MNIST(augment=Augment(crop=2))
CIFAR_CPU: Mapping[str, Any] = {"epochs": 3, "data.train_size": 10_000, "evaluate_every": 3}
TEN_EPOCHS: Mapping[str, Any] = {"epochs": 10, "evaluate_every": 10}
FOUR_EPOCHS: Mapping[str, Any] = {"epochs": 4, "evaluate_every": 4}
_NEURON = IF(detach_reset=True)
_TRAIN = (1197, 1362, 1163, 1232, 1190, 1071, 1219, 1221, 1171, 1174)
_TEST = (4905, 5598, 5012, 5107, 4838, 4528, 4925, 5232, 4854, 5001)


def teacher(network: str, data: Dataset = CIFAR) -> Recipe:
    """An ANN from scratch."""
    return _from_scratch(TEACHERS[network][0], data, f"{_short(data)}-{network.lower()}-ann", spiking=False)


def student(network: str, data: Dataset = CIFAR) -> Recipe:
    """An SNN from scratch."""
    return _from_scratch(STUDENTS[network][0], data, f"{_short(data)}-{network.lower()}-scratch")


def small(data: Dataset = DIGITS) -> Recipe:
    """The network for MNIST, 2conv, from scratch."""
    return _from_scratch(ConvNet(), data, f"{_short(data)}-2conv-scratch")


def distilled(scratch: Recipe, by: Recipe, method: Method = RESPONSES) -> Recipe:
    """A student as it is from scratch, but for its loss."""
    how = "features" if method == FEATURES else "responses"
    ann = by.name.removeprefix(f"kdsnn-{_short(by.data)}-").removesuffix("-ann")
    name = scratch.name.replace("scratch", f"{how}-of-{ann}")
    return replace(scratch, name=name, method=method, teacher=FromRecipe(by))


def reduced(recipe: Recipe, own: Mapping[str, Any], teachers: Mapping[str, Any]) -> dict[str, Any]:
    """A row's changes for two cores, where its teacher has others than it has itself, or than other rows' teachers."""
    of_teacher = {f"teacher.recipe.{path}": value for path, value in teachers.items()} if recipe.teacher else {}
    return {**own, **of_teacher}


def _from_scratch(model: Model, data: Dataset, name: str, spiking: bool = True) -> Recipe:
    return Recipe(
        name=f"kdsnn-{name}",
        data=data,
        model=model,
        neuron=_NEURON if spiking else ReLU(),
        steps=4,
        optimizer=SGD(0.1, weight_decay=5e-4),
        epochs=200 if data.shape[-1] == 32 else 100,
    )


def _short(data: Dataset) -> str:
    """What runs on these data are called."""
    varied = getattr(data, "variation", None) or getattr(data, "variance", None)
    return data.name if varied is None else f"{data.name}-{varied}"


def noisy_digits(variation: Variation) -> Dataset:
    """One of table 2's noisy sets of MNIST: 12,000 and 50,000 images, before scikit-learn's two photographs."""
    return NoisyMNIST(variation=variation, facts=_DIGITS_FACTS[variation])


def noisy_cifar(variance: float) -> Dataset:
    """CIFAR-10 with Gaussian noise; what table 2 calls sigma is taken for the variance."""
    return NoisyCIFAR10(variance=variance, augment=Augment(crop=4, flip=True), facts=_CIFAR_FACTS[variance])


def _of_digits(mean: float, deviation: float, train: str, test: str) -> Facts:
    return Facts(_TRAIN, _TEST, (1, 28, 28), (mean,), (deviation,), train, test)


def _of_cifar(mean: tuple[float, ...], deviation: tuple[float, ...], train: str, test: str) -> Facts:
    return Facts((5000,) * 10, (1000,) * 10, (3, 32, 32), mean, deviation, train, test)


# What is made of the published files, on every machine: a table is shown without reading them.
_DIGITS_FACTS: dict[Variation, Facts] = {
    "background": _of_digits(
        0.4979,
        0.2862,
        "9173419fc7f12da1d1cd120a64b42482870c701988274e2a68a6e9d7c88c3dbf",
        "02df05c3ec449b6f98c8b5653615c1e92ba58d55bf1a18bda02cc775477c48f0",
    ),
    "random": _of_digits(
        0.5561,
        0.305,
        "2384c476312e93eba121701a7465b193f0e16a031464dc84b11a85280d07cb9c",
        "d42f871600686a9abb466e60e48ba58a986a0d9e13e1bc55a1772d53c0c36d56",
    ),
    "rotation": _of_digits(
        0.1304,
        0.2897,
        "9c09b3510ca4817d5232e2cc8144c2b634878a5f7a491a01ea518768f32cf89a",
        "cd6daca5ab712cbde5c34870191d479ae3952a47acc9a2b265e956407202f978",
    ),
    "rotation-background": _of_digits(
        0.4919,
        0.276,
        "fd7e0e61367e4c33295fb463b830b81c253fa10bb230a784b72e93112ff6b4d2",
        "b0de944340b051b53367eee713999e3350509a6327477b21930a06f1b06b4fb5",
    ),
}
_CIFAR_FACTS = {
    0.01: _of_cifar(
        (0.491, 0.4819, 0.4465),
        (0.2598, 0.2567, 0.2723),
        "c8271bfb6546bdaff1432751355dfaaca39f486dc8d82a8b0615372e0780a483",
        "d532965b7c69faffb51346b04bea99abb27cae4298622b9470f6389fbf8059ee",
    ),
    0.03: _of_cifar(
        (0.4911, 0.4823, 0.4482),
        (0.2812, 0.2788, 0.2902),
        "b9b091c754b1b73b56a896b7e522bd2541ce7aff4ca973b4a9989cab0981c061",
        "693aa3585b317207e311b93ffe6590a0068973d37f4048cce5defec16c1ca3dc",
    ),
    0.05: _of_cifar(
        (0.4915, 0.483, 0.4502),
        (0.2979, 0.2961, 0.3046),
        "b906d6221e0221d22ab7349443f16050d952e1bb74c2d6d8cfa3009dc7ca70ea",
        "dfc7d7e5f49734825df690c43a4279e073b942ee9dd4cf8fee8dec9f646260ca",
    ),
}
