"""KDSNN's noisy sets: MNIST's variations of Larochelle et al., and CIFAR-10 with Gaussian noise.

Larochelle et al., "An empirical evaluation of deep architectures on problems with many factors of variation", ICML
2007; Xu et al., "Constructing deep spiking neural networks from artificial neural networks with knowledge
distillation", CVPR 2023, Table 2. Their own files are not read: the sets are made of the published MNIST and CIFAR-10,
the same on every machine (whole numbers only, or double precision before rounding).
"""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.colour import luma
from spikedistill.data.dataset import Dataset
from spikedistill.data.files import data_path
from spikedistill.data.mnist import MNIST
from spikedistill.data.own import OwnDataset
from spikedistill.data.picture import open_picture, to_pixels
from spikedistill.data.pictures import files_of
from spikedistill.data.split import Split, TensorSplit
from spikedistill.errors import InputError
from spikedistill.randomness import Draws, permutation
from spikedistill.values.checks import check_above, check_choice, check_count

Variation = Literal["background", "random", "rotation", "rotation-background", "basic"]

TRAIN, TEST = 12_000, 50_000
SIDE = 28
LEAST_DEVIATION = 10
"""Grey levels; patches of photographs that deviate less are left out."""
ONE = 1 << 14
"""1 in the fixed-point numbers of `rotated`."""
AT_A_TIME = 1000
MOST_PLACES = 1 << 20
SHUFFLE = 7919
"""A stream of its own, for the order of MNIST's images."""


@dataclass(frozen=True)
class NoisyMNIST(OwnDataset):
    """12000 and 50000 of MNIST's images before a background, rotated, or both (Larochelle et al., 2007).

    Of all 70000 in random order, as of the paper's sets training and test images are of the same writers. Angles are
    uniform in [0, 2 pi), random backgrounds uniform from 0 to 255, patches from anywhere in a photograph but where it
    deviates by less than 10 grey levels (the paper leaves out "low pixel variance" and has no number). Where a digit
    meets a background the brighter of the two is seen: the paper does not say. Each image has one background and angle.
    The paper's `basic` set is the same images as they are, for a network to compare with that never saw a variation.
    """

    name: ClassVar[str] = "noisy-mnist"

    variation: Variation = "background"
    """KDSNN's Background, Random, Rotation, and Rotation with background."""
    photos: str = field(default="", metadata={"place": True})
    """Folder of the pictures that patches are cut from; where empty, scikit-learn's two sample images, not the twenty
    of the paper. It says where, not what: what comes of it is in `facts`."""
    noise_seed: int = 0
    """Of the order, angles and backgrounds."""

    def __post_init__(self) -> None:
        check_choice(self, "variation", get_args(Variation))
        check_count(self, "noise_seed", low=0, high=2**62)
        super().__post_init__()

    def _read(self) -> tuple[Any, Any]:
        splits = MNIST(root=self.root).load()
        assert isinstance(splits.train, TensorSplit)
        assert isinstance(splits.test, TensorSplit)
        images = torch.cat([splits.train.images, splits.test.images])
        labels = torch.cat([splits.train.labels, splits.test.labels])
        order = permutation(len(images), self.noise_seed, 0, SHUFFLE)[: TRAIN + TEST]
        patches = Patches(read_photos(self.photos)) if "background" in self.variation else None
        parts = [
            varied(images[i], self.variation, Draws(self.noise_seed, 0, i), patches) for i in order.split(AT_A_TIME)
        ]
        made, labels = torch.cat(parts), labels[order]
        return (made[:TRAIN], labels[:TRAIN]), (made[TRAIN:], labels[TRAIN:])

    def without_noise(self) -> Dataset:
        """See `Dataset.without_noise`: the same images, `basic`."""
        return self if self.variation == "basic" else replace(self, variation="basic", facts=None)


def varied(
    images: UInt8[Tensor, "B 1 28 28"], variation: Variation, draws: Draws, patches: "Patches | None"
) -> UInt8[Tensor, "B 1 28 28"]:
    """Return images of digits in one of the variations; `patches` are for those with photographs behind them."""
    if variation.startswith("rotation"):
        images = rotated(images, draws.uniform("mnist-angle").double() * (2 * math.pi))
    if variation == "random":
        images = torch.maximum(images, draws.integers(256, "mnist-background", 1, SIDE, SIDE).to(torch.uint8))
    return images if patches is None else torch.maximum(images, patches(draws))


def rotated(images: UInt8[Tensor, "B 1 H W"], angle: Float[Tensor, " B"]) -> UInt8[Tensor, "B 1 H W"]:
    """Return square images rotated about their middle, counter-clockwise, bilinear, black outside.

    Args:
        images: Of equal height and width.
        angle: In radians; sine and cosine are rounded to 2^-14, and all else is exact.
    """
    size = images.shape[-1]
    sine, cosine = ((f(angle) * ONE).round().long().view(-1, 1, 1) for f in (torch.sin, torch.cos))
    offset = 2 * torch.arange(size) - (size - 1)  # from the middle, in half pixels
    y, x = offset.view(1, -1, 1), offset.view(1, 1, -1)
    middle = (size - 1) * ONE
    at = [(cosine * y + sine * x + middle) // 2, (cosine * x - sine * y + middle) // 2]  # row and column, times ONE
    low, part = [value // ONE for value in at], [value % ONE for value in at]
    flat, total = images.flatten(1).long(), torch.zeros(len(images), size, size, dtype=torch.int64)
    for down in (0, 1):
        for right in (0, 1):
            row, column = low[0] + down, low[1] + right
            weight = (part[0] if down else ONE - part[0]) * (part[1] if right else ONE - part[1])
            inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
            place = (row.clamp(0, size - 1) * size + column.clamp(0, size - 1)).flatten(1)
            total += torch.where(inside, weight * flat.gather(1, place).view(total.shape), 0)
    return ((total + ONE * ONE // 2) // (ONE * ONE)).to(torch.uint8)[:, None]


def read_photos(folder: str) -> list[UInt8[Tensor, "H W"]]:
    """Return grey photographs from a folder; scikit-learn's two where none is named.

    Raises:
        InputError: there is no such folder, or a file in it cannot be decoded.
    """
    if folder:
        return [
            to_pixels(open_picture(path, 1))[0] for path in files_of(Path(data_path(folder, "folder", "--data.photos")))
        ]
    from sklearn.datasets import load_sample_images

    colour = [torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] for image in load_sample_images().images]
    return [luma(image)[0, 0] for image in colour]


class Patches:
    """Patches of photographs, at places drawn at random among those with enough texture."""

    def __init__(self, photos: list[UInt8[Tensor, "H W"]]) -> None:
        found = [(photo, textured(photo)) for photo in photos]
        self.found = [(photo, places) for photo, places in found if len(places)]
        if not self.found:
            raise InputError(
                f"None of the {len(photos)} photographs has a patch of {SIDE} x {SIDE} with a deviation of "
                f"{LEAST_DEVIATION} grey levels. Name a folder of others: --data.photos DIR."
            )

    def __call__(self, draws: Draws) -> UInt8[Tensor, "B 1 28 28"]:
        """Return one patch for each index."""
        which = draws.integers(len(self.found), "mnist-photo").tolist()
        share = draws.uniform("mnist-patch").double().tolist()
        result = torch.empty(len(which), 1, SIDE, SIDE, dtype=torch.uint8)
        for k, (number, at) in enumerate(zip(which, share, strict=True)):
            photo, places = self.found[number]
            y, x = places[int(at * len(places))].tolist()
            result[k, 0] = photo[y : y + SIDE, x : x + SIDE]
        return result


def textured(photo: UInt8[Tensor, "H W"]) -> Int[Tensor, "N 2"]:
    """Return row and column of the upper left corners of patches that deviate enough; about 2^20 of them at most."""
    if min(photo.shape) < SIDE:
        return torch.empty(0, 2, dtype=torch.int64)
    values, number = photo.long(), SIDE * SIDE
    total, squares = _sums(values), _sums(values * values)
    places = (number * squares - total * total >= (LEAST_DEVIATION * number) ** 2).nonzero()
    return places[:: len(places) // MOST_PLACES + 1]


def _sums(values: Int[Tensor, "H W"]) -> Int[Tensor, "h w"]:
    """Return the sum over each patch."""
    corners = torch.nn.functional.pad(values.cumsum(0).cumsum(1), (1, 0, 1, 0))
    rows = corners[SIDE:] - corners[:-SIDE]
    return rows[:, SIDE:] - rows[:, :-SIDE]


@dataclass(frozen=True)
class NoisyCIFAR10(OwnDataset):
    """CIFAR-10, training and test images with Gaussian noise, clipped and rounded.

    KDSNN prints 0.01, 0.03 and 0.05 as sigma. Here they are variances of images in [0, 1] (deviations of 0.1, 0.17 and
    0.22): with a deviation of 0.01 its accuracies could not have fallen as they did; that reading is `variance` 0.0001.
    Each image has one noise, in all epochs.
    """

    name: ClassVar[str] = "noisy-cifar10"

    variance: float = 0.01
    """Of images in [0, 1]."""
    noise_seed: int = 0
    """Of the noise."""

    def __post_init__(self) -> None:
        check_above(self, "variance", bound=0.0, most=100.0)
        check_count(self, "noise_seed", low=0, high=2**62)
        super().__post_init__()

    def _read(self) -> tuple[Any, Any]:
        splits = CIFAR10(root=self.root).load()
        return self._noisy(splits.train, "cifar10-train"), self._noisy(splits.test, "cifar10-test")

    def _noisy(self, split: Split, stream: str) -> TensorSplit:
        parts = [
            with_noise(batch.images, self.variance, Draws(self.noise_seed, 0, batch.index), stream)
            for batch in split.in_order(AT_A_TIME)
        ]
        return TensorSplit(torch.cat(parts), split.labels)

    def without_noise(self) -> Dataset:
        """See `Dataset.without_noise`: CIFAR-10."""
        return CIFAR10(root=self.root, train_size=self.train_size, validation=self.validation, augment=self.augment)


def with_noise(
    images: UInt8[Tensor, "B C H W"], variance: float, draws: Draws, stream: str
) -> UInt8[Tensor, "B C H W"]:
    """Return images with Gaussian noise, clipped and rounded; `variance` is that of images in [0, 1]."""
    noise = 255 * math.sqrt(variance) * gaussian(draws, stream, *images.shape[1:])
    return (images + noise).round_().clamp_(0, 255).to(torch.uint8)


def gaussian(draws: Draws, stream: str, *shape: int) -> Float[Tensor, "B *shape"]:
    """Return standard normal numbers in double precision (Box and Muller, 1958)."""
    size = math.prod(shape)
    half = (size + 1) // 2
    radius = (-2 * torch.log1p(-draws.uniform(f"{stream}-radius", half).double())).sqrt()
    angle = draws.uniform(f"{stream}-angle", half).double() * (2 * math.pi)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], 1)[:, :size].view(-1, *shape)
