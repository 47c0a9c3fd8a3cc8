"""AutoAugment's policy for CIFAR-10.

Cubuk et al., "AutoAugment: Learning augmentation strategies from data", CVPR 2019.

The 25 sub-policies are the paper's Table 7. What the operations do follows the public code that the SNN literature
uses (DeepVoltaire/AutoAugment with grey fill), which in turn uses Pillow; see `autoaugment_ops`. Where that code and
the paper differ, the code: it rotates to one side only.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from spikedistill.data.autoaugment_ops import (
    Operation,
    auto_contrast,
    brightness,
    color,
    contrast,
    equalize,
    invert,
    posterize,
    rotate,
    sharpness,
    shear_y,
    solarize,
    translate_x,
    translate_y,
)
from spikedistill.data.transform import Transform
from spikedistill.errors import InputError
from spikedistill.randomness import Draws, Stream
from spikedistill.values.checks import check_choice

LEVELS = 9
"""The highest level; the lowest is 0."""


class Range(NamedTuple):
    """What the levels of an operation mean."""

    operation: Operation
    low: float = 0.0
    """Magnitude at level 0."""
    high: float = 0.0
    """Magnitude at the highest level."""
    signed: bool = False
    """Negate the magnitude with probability 1/2."""

    def magnitude(self, level: int) -> float:
        """Linear in the level."""
        return level * ((self.high - self.low) / LEVELS) + self.low


RANGES = {
    "shear_y": Range(shear_y, 0.0, 0.3, signed=True),
    "translate_x": Range(translate_x, 0.0, 150 / 331, signed=True),
    "translate_y": Range(translate_y, 0.0, 150 / 331, signed=True),
    "rotate": Range(rotate, 0.0, 30.0),
    "color": Range(color, 0.0, 0.9, signed=True),
    "brightness": Range(brightness, 0.0, 0.9, signed=True),
    "contrast": Range(contrast, 0.0, 0.9, signed=True),
    "sharpness": Range(sharpness, 0.0, 0.9, signed=True),
    "posterize": Range(posterize, 8.0, 4.0),
    "solarize": Range(solarize, 256.0, 0.0),
    "auto_contrast": Range(auto_contrast),
    "equalize": Range(equalize),
    "invert": Range(invert),
}

Step = tuple[str, float, int]
"""Operation, probability, level."""

CIFAR10: tuple[tuple[Step, Step], ...] = (
    (("invert", 0.1, 7), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("auto_contrast", 0.5, 8), ("equalize", 0.9, 2)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 7), ("auto_contrast", 0.4, 8)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 3)),
    (("equalize", 0.2, 0), ("auto_contrast", 0.6, 0)),
    (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
    (("color", 0.9, 9), ("equalize", 0.6, 6)),
    (("auto_contrast", 0.8, 4), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("auto_contrast", 0.9, 3)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("auto_contrast", 0.9, 2), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 8), ("invert", 0.1, 3)),
    (("translate_y", 0.7, 9), ("auto_contrast", 0.9, 1)),
)

POLICIES = {"cifar10": CIFAR10}

STREAMS = (
    (Stream.POLICY_APPLY_1, Stream.POLICY_SIGN_1),
    (Stream.POLICY_APPLY_2, Stream.POLICY_SIGN_2),
)


@dataclass(frozen=True)
class AutoAugment(Transform):
    """One of the policy's sub-policies for each image: two operations, each with its probability.

    Of images of one channel or three. With one, colour has no effect and the rest works as on grey pictures in Pillow.
    """

    name = "policy"
    order = 30

    policy: Literal["cifar10"] = "cifar10"
    """The data set that the sub-policies were found on."""

    def __post_init__(self) -> None:
        check_choice(self, "policy", tuple(POLICIES))

    def __call__(self, images: UInt8[Tensor, "B ..."], draws: Draws) -> UInt8[Tensor, "B ..."]:
        """See `Transform.__call__`."""
        pairs = POLICIES[self.policy]
        policy = draws.integers(len(pairs), Stream.POLICY)
        out = images.clone()
        for slot, (apply_stream, sign_stream) in enumerate(STREAMS):
            steps = [pair[slot] for pair in pairs]
            table = torch.tensor(
                [(list(RANGES).index(n), p, RANGES[n].magnitude(level), RANGES[n].signed) for n, p, level in steps],
                dtype=torch.float64,
            )
            number, probability, magnitude, signed = table.to(images.device, non_blocking=True)[policy].unbind(1)
            applied = draws.uniform(apply_stream) < probability
            negated = (draws.uniform(sign_stream) < 0.5) & (signed > 0)
            number = torch.where(applied, number, len(RANGES)).long()
            _apply(out, number, torch.where(negated, -magnitude, magnitude))
        return out

    def fitted(self, shape: tuple[int, ...], mean: tuple[float, ...]) -> Transform:  # noqa: ARG002
        """See `Transform.fitted`."""
        if len(shape) != 3 or shape[0] not in (1, 3):
            what = "frames" if len(shape) == 4 else f"images of {shape[0]} channels"
            raise InputError(f"AutoAugment is for images of 1 or 3 channels; these are {what}. Leave it out.")
        return self


def _apply(images: Tensor, number: Tensor, magnitude: Tensor) -> None:
    """Apply operation `number[b]` to image b, in place; the number after the last operation is none."""
    order = torch.argsort(number, stable=True)
    counts = torch.bincount(number, minlength=len(RANGES) + 1).tolist()
    for entry, rows in zip(RANGES.values(), order.split(counts), strict=False):
        if len(rows):
            images[rows] = entry.operation(images[rows], magnitude[rows])
