"""Noise, blur, loss of contrast and compression of images, and lost events: what a network meets outside of its data.

    kinds, left_out = corruptions((3, 32, 32))
    worse = kinds[0].apply(images, kinds[0].values[2], Draws(0, 0, index))    # severity 3

The kinds and numbers of the group `corruption` are those of Hendrycks and Dietterich, "Benchmarking neural network
robustness to common corruptions and perturbations", ICLR 2019, by their public code (hendrycks/robustness): those of
CIFAR-10-C for images whose longer side is 32 pixels or less, of Tiny-ImageNet-C up to 64, of ImageNet-C above. Of their
blurs it is the Gaussian one, of their four further kinds. Their published files are not read: what is drawn has their
laws. They cut pixels off to whole numbers, here they are rounded.

The group `kdsnn` are the noises of KDSNN's table 2, which `spikedistill.data.noisy` makes data sets of; `events` are
those of frames of events.

Each takes uint8 images and gives uint8 images of the same shape; what is drawn is a function of (seed, index), the same
at all severities.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage, stats
from torch import Tensor

from spikedistill.data.noisy import SIDE, Patches, Variation, read_photos, varied, with_noise
from spikedistill.data.picture import MODES, to_pixels
from spikedistill.evaluate.event_noise import dropped, jittered_in_space, jittered_in_time
from spikedistill.randomness import Draws

Images = UInt8[Tensor, "B ..."]
Apply = Callable[[Images, float, Draws], Images]

PUBLISHED: dict[str, tuple[tuple[float, ...], ...]] = {
    "gaussian-noise": ((0.04, 0.06, 0.08, 0.09, 0.10), (0.04, 0.08, 0.12, 0.15, 0.18), (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot-noise": ((500, 250, 100, 75, 50), (250, 100, 50, 30, 15), (60, 25, 12, 5, 3)),
    "impulse-noise": ((0.01, 0.02, 0.03, 0.05, 0.07), (0.01, 0.02, 0.05, 0.08, 0.14), (0.03, 0.06, 0.09, 0.17, 0.27)),
    "gaussian-blur": ((0.4, 0.6, 0.7, 0.8, 1.0), (0.5, 0.75, 1.0, 1.25, 1.5), (1.0, 2.0, 3.0, 4.0, 6.0)),
    "contrast": ((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05), (0.4, 0.3, 0.2, 0.1, 0.05)),
    "jpeg": ((80, 65, 58, 50, 40), (65, 58, 50, 40, 25), (25, 18, 15, 10, 7)),
}
"""By severity 1 to 5, of each of `NUMBERS`."""
NUMBERS = ("CIFAR-10-C", "Tiny-ImageNet-C", "ImageNet-C")
SIDES = (32, 64)
"""Up to which longer side the first and second are taken."""
VARIANCES = (0.01, 0.03, 0.05)
"""KDSNN's three levels on CIFAR-10, read as `spikedistill.data.noisy.NoisyCIFAR10` reads them."""
VARIATIONS: tuple[Variation, ...] = ("background", "random", "rotation", "rotation-background")
DROPPED = (0.1, 0.2, 0.3, 0.4, 0.5)
MOVED = (0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Corruption:
    """A way to make images worse, with what it is given at each severity."""

    name: str
    group: str
    """`corruption`, `kdsnn` or `events`."""
    unit: str
    """What the values are."""
    values: tuple[float, ...]
    """By severity, from 1 on."""
    apply: Apply
    """(images, value, draws) to images, on the CPU."""


def corruptions(shape: tuple[int, ...]) -> tuple[list[Corruption], dict[str, str]]:
    """Return the corruptions that fit samples of a shape, and why each other name is left out.

    Args:
        shape: (C, H, W), or (T, C, H, W) for frames of events.
    """
    left_out: dict[str, str] = {}
    if len(shape) == 4:
        left_out["corruption"] = left_out["kdsnn"] = "for images; these are frames of events"
        return _of_events(), left_out
    left_out["events"] = "for frames of events; these are images"
    channels, height, width = shape
    level = NUMBERS.index(numbers_for(shape))
    kinds = [
        Corruption(name, "corruption", unit, PUBLISHED[name][level], apply)
        for name, (unit, apply) in COMMON.items()
        if name != "jpeg" or channels in MODES
    ]
    if channels not in MODES:
        left_out["jpeg"] = f"for images of 1 or 3 channels; these have {channels}"
    if channels == 3:
        kinds.append(Corruption("kdsnn-gaussian", "kdsnn", "variance, images in [0, 1]", VARIANCES, kdsnn_gaussian))
    else:
        left_out["kdsnn-gaussian"] = "for colour images"
    if (channels, height, width) == (1, SIDE, SIDE):
        kinds += [
            Corruption(f"kdsnn-{one}", "kdsnn", UNITS[one], (LEVELS[one],), partial(kdsnn_digits, one))
            for one in VARIATIONS
        ]
    else:
        left_out["kdsnn's variations of MNIST"] = f"for grey images of {SIDE} x {SIDE}"
    return kinds, left_out


def numbers_for(shape: tuple[int, ...]) -> str:
    """Return whose severities images of a shape (C, H, W) have."""
    return NUMBERS[sum(max(shape[-2:]) > side for side in SIDES)]


def gaussian_noise(images: Images, deviation: float, draws: Draws) -> Images:
    """Add normal noise of that deviation, of images in [0, 1], to every channel of every pixel; clip."""
    return with_noise(images, deviation**2, draws, "gaussian-noise")


def shot_noise(images: Images, photons: float, draws: Draws) -> Images:
    """Draw how many photons arrive where white is `photons` of them: Poisson's law, for every channel of every pixel.

    Drawn by inversion from uniform numbers of 24 bits: of each law but the rarest 6e-8.
    """
    below, most = _poisson(photons), len(_poisson(photons)[0])
    drawn = draws.uniform("shot-noise", *images.shape[1:]).double()
    # all laws end to end: each begins at the whole number that is its pixel's value
    value = images.long()
    number = torch.searchsorted(below.flatten(), drawn + value, right=True) - value * most
    return _rounded(number.double() * 255 / photons)


def impulse_noise(images: Images, share: float, draws: Draws) -> Images:
    """Make that share of the channels of pixels white or black, half of them each: salt and pepper."""
    hit = draws.uniform("impulse-noise", *images.shape[1:]) < share
    white = draws.uniform("impulse-noise-white", *images.shape[1:]) < 0.5
    return torch.where(hit, 255 * white.to(torch.uint8), images)


def gaussian_blur(images: Images, deviation: float, draws: Draws) -> Images:  # noqa: ARG001
    """Convolve each channel with a Gaussian of that deviation in pixels, to 4 deviations; borders are held."""
    sigma = (0, 0, deviation, deviation)
    blurred = ndimage.gaussian_filter(images.numpy().astype(np.float64), sigma, mode="nearest", truncate=4.0)
    return _rounded(torch.from_numpy(blurred))


def contrast(images: Images, factor: float, draws: Draws) -> Images:  # noqa: ARG001
    """Bring each channel that much nearer to its mean over the image."""
    mean = images.double().mean((2, 3), keepdim=True)
    return _rounded((images - mean) * factor + mean)


def jpeg(images: Images, quality: float, draws: Draws) -> Images:  # noqa: ARG001
    """Compress by JPEG at that quality, as Pillow does by default, and decode."""
    out = []
    for image in images:
        pixels, stream = image.permute(1, 2, 0).numpy(), io.BytesIO()
        Image.fromarray(pixels if len(image) == 3 else pixels[:, :, 0]).save(stream, "JPEG", quality=int(quality))
        with Image.open(stream) as decoded:
            out.append(to_pixels(decoded))
    return torch.stack(out) if out else images


def kdsnn_gaussian(images: Images, variance: float, draws: Draws) -> Images:
    """Add KDSNN's noise of CIFAR-10; the same law as `gaussian_noise`, by its variance."""
    return with_noise(images, variance, draws, "kdsnn-gaussian")


def kdsnn_digits(variation: Variation, images: Images, value: float, draws: Draws) -> Images:  # noqa: ARG001
    """Make one of the variations of MNIST that `spikedistill.data.noisy` defines; they have no severity."""
    return varied(images, variation, draws, _patches() if "background" in variation else None)


COMMON: dict[str, tuple[str, Apply]] = {
    "gaussian-noise": ("standard deviation, images in [0, 1]", gaussian_noise),
    "shot-noise": ("photons of a white pixel", shot_noise),
    "impulse-noise": ("share of values", impulse_noise),
    "gaussian-blur": ("standard deviation, pixels", gaussian_blur),
    "contrast": ("factor", contrast),
    "jpeg": ("quality", jpeg),
}
UNITS = {
    "background": "grey levels that a patch deviates by at least",
    "random": "grey levels at most",
    "rotation": "degrees at most",
    "rotation-background": "degrees at most",
}
LEVELS = {"background": 10.0, "random": 255.0, "rotation": 360.0, "rotation-background": 360.0}


def _of_events() -> list[Corruption]:
    return [
        Corruption("events-dropped", "events", "share of events", DROPPED, dropped),
        Corruption("events-jittered-in-space", "events", "share of events, one pixel", MOVED, jittered_in_space),
        Corruption("events-jittered-in-time", "events", "share of events, one frame", MOVED, jittered_in_time),
    ]


def _rounded(values: Float[Tensor, "B C H W"]) -> Images:
    return values.round().clamp(0, 255).to(torch.uint8)


@cache
def _patches() -> Patches:
    return Patches(read_photos(""))


@cache
def _poisson(photons: float) -> Float[Tensor, "256 K"]:
    """Return Poisson's distribution functions at 0 to K - 1, each grey level's own, plus that grey level."""
    most = int(stats.poisson.isf(2.0**-40, photons)) + 2
    level = np.arange(256)[:, None]
    return torch.from_numpy(stats.poisson.cdf(np.arange(most)[None], photons * level / 255) + level)
