"""What a finished run's network makes of images that are worse than those of its data."""

import math
from typing import Any

from torch import Tensor

from spikedistill.data.png import as_png
from spikedistill.data.split import Split
from spikedistill.errors import InputError
from spikedistill.evaluate.attacks import ITERATIONS, fgsm, gradient, pgd, without_weights
from spikedistill.evaluate.corruptions import Corruption, corruptions, numbers_for
from spikedistill.kernels import FrozenWeights
from spikedistill.randomness import Draws
from spikedistill.runs.opened import Opened

IMAGES = 1000
"""That are measured unless more or fewer are asked for: an accuracy near 80 % is then known to 1.3 points."""
AT_A_TIME = 500
NUMBERS = 2**22
"""Of all images of a batch, at most."""
SEED = 0
"""Of all that is drawn."""
SHOWN = 3
"""Severity of the pictures that are kept; of kinds with fewer their last."""
LONGEST = 64
"""Side of those pictures in pixels."""
EPSILONS = (2 / 255, 4 / 255, 8 / 255)
WITH_GRADIENTS = 64
"""Images in a batch whose gradients are computed, at most: all that passes is held until they are."""


def robustness_of(opened: Opened) -> dict[str, Any]:
    """Return accuracies on corrupted images and under attack: `spikedistill.evaluate.corruptions` and `.attacks`.

    A run that learned on images with noise is asked about those without, corrupted: so it compares with one that
    learned on these. What is drawn is a function of a fixed seed and of the image's number in the split.
    """
    clean = opened.data.without_noise()
    part: Split = opened.part if clean is opened.data else getattr(clean.load(), opened.split).to(opened.place)
    index = opened.some(IMAGES)
    number, shape = len(index), tuple(part.shape)
    kinds, left_out = corruptions(shape)
    right, levels = _on_corrupted(opened, part, index, kinds)
    try:
        attacks = _under_attack(opened, part, index)
    except InputError as error:
        attacks, left_out["FGSM and PGD"] = [], str(error)
    without = {"without_noise": True} if clean is not opened.data else {}
    return {
        "data": {"name": clean.name, "samples": len(part), "chosen": "evenly spaced"} | without,
        "images": number,
        "precision": opened.run.recipe.precision,
        "severities": numbers_for(shape) if len(shape) == 3 else "of this library",
        "clean": right / number,
        "corruptions": [level | {"accuracy": level["accuracy"] / number} for level in levels],
        "attacks": attacks,
        "samples": _pictures(part, index[:1], kinds),
        "left_out": [{"name": name, "why": why} for name, why in left_out.items()],
    }


def _on_corrupted(
    opened: Opened, part: Split, index: Tensor, kinds: list[Corruption]
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many images are classified right as they are, and at each severity of each kind."""
    levels: list[dict[str, Any]] = [
        {"name": kind.name, "group": kind.group, "severity": severity, "value": float(value), "unit": kind.unit}
        | {"accuracy": 0}
        for kind in kinds
        for severity, value in enumerate(kind.values, 1)
    ]
    right = 0
    at_a_time = max(1, min(AT_A_TIME, NUMBERS // max(1, math.prod(part.shape))))
    with FrozenWeights():
        for some in index.split(at_a_time):
            images, labels = part.take(some), part.labels[some]
            right += _right(opened, images, labels)
            on_cpu, draws = images.cpu(), Draws(SEED, 0, some.cpu())
            values = ((kind, value) for kind in kinds for value in kind.values)
            for level, (kind, value) in zip(levels, values, strict=True):
                level["accuracy"] += _right(opened, kind.apply(on_cpu, value, draws), labels)
    return right, levels


def _under_attack(opened: Opened, part: Split, index: Tensor) -> list[dict[str, Any]]:
    """Return the accuracies under attack.

    Raises:
        InputError: the samples are frames, or no gradient goes back to the images.
    """
    if opened.data.steps is not None:
        raise InputError("for images; these are frames of events, which are counts")

    def answer(pixels: Tensor) -> Tensor:
        return opened.answers_with_gradients(255 * pixels)

    def right(pixels: Tensor, labels: Tensor) -> int:
        return int((opened.answers(255 * pixels).mean(0).argmax(-1) == labels).sum())

    rights: dict[tuple[str, float], int] = {(name, epsilon): 0 for epsilon in EPSILONS for name in ("FGSM", "PGD")}
    led = False
    with without_weights(opened.network):
        for some in index.split(_with_gradients(opened)):
            pixels, labels = part.take(some).float() / 255, part.labels[some]
            uphill = gradient(answer, pixels, labels)
            led = led or bool(uphill.any())
            for epsilon in EPSILONS:
                rights["FGSM", epsilon] += right(fgsm(pixels, uphill, epsilon), labels)
                climbed = pgd(answer, pixels, labels, epsilon, Draws(SEED, 0, some))
                rights["PGD", epsilon] += right(climbed, labels)
    if not led:
        raise InputError("the gradient by the images is 0 everywhere, which leads no attack")
    return [
        {"name": name, "epsilon": epsilon, "iterations": 1 if name == "FGSM" else ITERATIONS}
        | {"accuracy": number / len(index)}
        for (name, epsilon), number in sorted(rights.items())
    ]


def _with_gradients(opened: Opened) -> int:
    """Return how many images are attacked at a time: no more, over all time steps, than were learned from."""
    recipe = opened.run.recipe
    return max(1, min(WITH_GRADIENTS, recipe.batch_size) * recipe.time_steps // opened.steps)


def _right(opened: Opened, images: Tensor, labels: Tensor) -> int:
    answers = opened.answers(images.to(opened.place)).mean(0).argmax(-1)
    return int((answers == labels).sum())


def _pictures(part: Split, index: Tensor, kinds: list[Corruption]) -> list[dict[str, Any]]:
    """Return one image as it is and by each kind, as far as it is a picture."""
    image, draws = part.take(index).cpu(), Draws(SEED, 0, index.cpu())
    shown: list[tuple[str, int, Tensor]] = [("clean", 0, image)]
    for kind in kinds:
        severity = min(SHOWN, len(kind.values))
        shown.append((kind.name, severity, kind.apply(image, kind.values[severity - 1], draws)))
    made = [(name, severity, as_png(one[0], LONGEST)) for name, severity, one in shown]
    return [{"name": name, "severity": severity, "picture": png} for name, severity, png in made if png is not None]
