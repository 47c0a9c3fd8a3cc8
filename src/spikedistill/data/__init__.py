"""Data sets as uint8 splits, in their published formats or of one's own, and batched augmentation.

What is here is imported when it is asked for: the package alone does without torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spikedistill.data.augment import AlternatingFlip, Augment, Crop, Cutout, Flip
    from spikedistill.data.autoaugment import AutoAugment
    from spikedistill.data.cifar10 import CIFAR10
    from spikedistill.data.cifar10_dvs import CIFAR10DVS
    from spikedistill.data.cifar100 import CIFAR100
    from spikedistill.data.dataset import Dataset
    from spikedistill.data.digits import Digits
    from spikedistill.data.dvs_gesture import DVSGesture
    from spikedistill.data.event_augment import NDA, EventDrop, Roll, Rotate, Shear
    from spikedistill.data.folder import Folder
    from spikedistill.data.imagenet import ImageNet
    from spikedistill.data.mnist import MNIST, FashionMNIST
    from spikedistill.data.nmnist import NMNIST
    from spikedistill.data.noisy import NoisyCIFAR10, NoisyMNIST
    from spikedistill.data.npz import Npz
    from spikedistill.data.own import OwnDataset
    from spikedistill.data.resized_crop import ResizedCrop
    from spikedistill.data.split import Batch, Split, Splits, TensorSplit
    from spikedistill.data.tiny_imagenet import TinyImageNet
    from spikedistill.data.transform import Transform

_PLACES = {
    "augment": ("AlternatingFlip", "Augment", "Crop", "Cutout", "Flip"),
    "autoaugment": ("AutoAugment",),
    "cifar10": ("CIFAR10",),
    "cifar10_dvs": ("CIFAR10DVS",),
    "cifar100": ("CIFAR100",),
    "dataset": ("Dataset",),
    "digits": ("Digits",),
    "dvs_gesture": ("DVSGesture",),
    "event_augment": ("NDA", "EventDrop", "Roll", "Rotate", "Shear"),
    "folder": ("Folder",),
    "imagenet": ("ImageNet",),
    "mnist": ("MNIST", "FashionMNIST"),
    "nmnist": ("NMNIST",),
    "noisy": ("NoisyCIFAR10", "NoisyMNIST"),
    "npz": ("Npz",),
    "own": ("OwnDataset",),
    "resized_crop": ("ResizedCrop",),
    "split": ("Batch", "Split", "Splits", "TensorSplit"),
    "tiny_imagenet": ("TinyImageNet",),
    "transform": ("Transform",),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "CIFAR10",
    "CIFAR10DVS",
    "CIFAR100",
    "MNIST",
    "NDA",
    "NMNIST",
    "AlternatingFlip",
    "Augment",
    "AutoAugment",
    "Batch",
    "Crop",
    "Cutout",
    "DVSGesture",
    "Dataset",
    "Digits",
    "EventDrop",
    "FashionMNIST",
    "Flip",
    "Folder",
    "ImageNet",
    "NoisyCIFAR10",
    "NoisyMNIST",
    "Npz",
    "OwnDataset",
    "ResizedCrop",
    "Roll",
    "Rotate",
    "Shear",
    "Split",
    "Splits",
    "TensorSplit",
    "TinyImageNet",
    "Transform",
    "datasets",
]


def datasets() -> "dict[str, type[Dataset]]":
    """All data sets by their names on the command line."""
    from spikedistill.data.dataset import Dataset
    from spikedistill.values.kinds import shipped_kinds

    return shipped_kinds(Dataset)


def __getattr__(name: str) -> Any:
    """Import what `__all__` promises."""
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
