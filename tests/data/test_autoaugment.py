"""Pillow is the oracle: our operations are compared with it bit for bit, alone and as a policy."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from spikedistill.data import autoaugment_ops as ops
from spikedistill.data.autoaugment import CIFAR10, RANGES, STREAMS, AutoAugment
from spikedistill.randomness import Draws, Stream, uniform


def to_pillow(image):
    return Image.fromarray(image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).contiguous().numpy())


def from_pillow(picture):
    values = torch.from_numpy(np.array(picture))
    return values[None] if values.ndim == 2 else values.permute(2, 0, 1)


def grey_fill(picture):
    return 128 if picture.mode == "L" else (128, 128, 128)


def affine(picture, matrix, resample):
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, resample, fillcolor=grey_fill(picture))


def rotated(picture, degrees):
    """The public code's way: an alpha channel marks what comes from outside."""
    turned = picture.convert("RGBA").rotate(degrees)
    return Image.composite(turned, Image.new("RGBA", turned.size, (128,) * 4), turned).convert(picture.mode)


NEAREST, CUBIC = Image.Resampling.NEAREST, Image.Resampling.BICUBIC
PILLOW = {
    "shear_y": lambda p, m: affine(p, (1, 0, 0, m, 1, 0), CUBIC),
    "translate_x": lambda p, m: affine(p, (1, 0, m * p.size[0], 0, 1, 0), NEAREST),
    "translate_y": lambda p, m: affine(p, (1, 0, 0, 0, 1, m * p.size[1]), NEAREST),
    "rotate": rotated,
    "color": lambda p, m: ImageEnhance.Color(p).enhance(1 + m),
    "brightness": lambda p, m: ImageEnhance.Brightness(p).enhance(1 + m),
    "contrast": lambda p, m: ImageEnhance.Contrast(p).enhance(1 + m),
    "sharpness": lambda p, m: ImageEnhance.Sharpness(p).enhance(1 + m),
    "posterize": lambda p, m: ImageOps.posterize(p, round(m)),
    "solarize": ImageOps.solarize,
    "auto_contrast": lambda p, m: ImageOps.autocontrast(p),
    "equalize": lambda p, m: ImageOps.equalize(p),
    "invert": lambda p, m: ImageOps.invert(p),
}
MAGNITUDES = {
    "shear_y": np.linspace(0, 0.3, 10),
    "translate_x": np.linspace(0, 150 / 331, 10),
    "translate_y": np.linspace(0, 150 / 331, 10),
    "rotate": np.linspace(0, 30, 10),
    "color": np.linspace(0.0, 0.9, 10),
    "posterize": np.round(np.linspace(8, 4, 10)),
    "solarize": np.linspace(256, 0, 10),
    "contrast": np.linspace(0.0, 0.9, 10),
    "sharpness": np.linspace(0.0, 0.9, 10),
    "brightness": np.linspace(0.0, 0.9, 10),
}
"""The public code's."""
SIGNED = {"shear_y", "translate_x", "translate_y", "color", "brightness", "contrast", "sharpness"}


def pictures(channels, height=32, width=32):
    """Noise, smooth gradients, few levels, narrow range, one colour, two colours, black, white."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (8, channels, height, width), generator=generator)
    ramp = torch.linspace(0, 255, height * width).view(1, 1, height, width).expand(1, channels, -1, -1).long()
    tilt = (noise[:1, :, :1, :1] + torch.arange(height)[:, None] * 2 + torch.arange(width) * 3) % 256
    parts = [noise[:3], ramp, tilt, noise[3:4] // 64 * 64, 100 + noise[4:5] // 16]
    parts += [noise[5:6, :, :1, :1].expand(1, channels, height, width)]
    parts += [(noise[6:7] > 250) * 255, torch.zeros_like(ramp), torch.full_like(ramp, 255)]
    return torch.cat(parts).to(torch.uint8)


def same_as_pillow(name, images, magnitude):
    ours = RANGES[name].operation(images, torch.full((len(images),), float(magnitude), dtype=torch.float64))
    theirs = torch.stack([from_pillow(PILLOW[name](to_pillow(image), float(magnitude))) for image in images])
    assert ours.dtype == torch.uint8
    return ours, theirs


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 32, 32), (1, 28, 28), (3, 13, 18)])
@pytest.mark.parametrize("name", list(RANGES))
def test_operations_are_pillows(name, channels, height, width):
    images = pictures(channels, height, width)
    signs = (1, -1) if name in SIGNED else (1,)
    for magnitude in {sign * level for sign in signs for level in MAGNITUDES.get(name, [0.0])}:
        ours, theirs = same_as_pillow(name, images, magnitude)
        assert torch.equal(ours, theirs), f"{name} {magnitude}: {int((ours != theirs).sum())} values differ"


def test_turning_to_the_other_side():
    images = pictures(3)
    for degrees in (-30.0, -7.5):
        ours, theirs = same_as_pillow("rotate", images, degrees)
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", sorted(MAGNITUDES))
def test_levels_are_the_public_codes(name):
    found = [RANGES[name].magnitude(level) for level in range(10)]
    if name == "posterize":
        found = np.round(found)
    assert np.array_equal(found, MAGNITUDES[name])
    assert RANGES[name].signed == (name in SIGNED)


def test_every_image_has_its_own_magnitude():
    images = pictures(3)
    magnitude = torch.linspace(-0.3, 0.3, len(images), dtype=torch.float64)
    for name in [*sorted(SIGNED), "rotate"]:
        together = RANGES[name].operation(images, magnitude)
        for k in range(len(images)):
            assert torch.equal(together[k : k + 1], RANGES[name].operation(images[k : k + 1], magnitude[k : k + 1]))


def test_color_does_nothing_to_grey():
    images = pictures(1)
    assert torch.equal(ops.color(images, torch.full((len(images),), 0.9, dtype=torch.float64)), images)


def test_the_table_has_no_slip():
    assert len(CIFAR10) == 25
    steps = [step for pair in CIFAR10 for step in pair]
    assert {name for name, _, _ in steps} == set(RANGES)
    assert all(0 <= probability <= 1 and 0 <= level <= 9 for _, probability, level in steps)
    # Counted from the public code's own table: each operation, and the sums of the probabilities and levels.
    counts = {name: sum(step[0] == name for step in steps) for name in RANGES}
    assert counts == {
        "shear_y": 2, "translate_x": 2, "translate_y": 5, "rotate": 1, "color": 5, "brightness": 4, "contrast": 2,
        "sharpness": 5, "posterize": 1, "solarize": 4, "auto_contrast": 7, "equalize": 9, "invert": 3,
    }  # fmt: skip
    assert round(sum(probability for _, probability, _ in steps), 6) == 26.5
    assert sum(level for _, _, level in steps) == 267


@pytest.mark.parametrize("channels", [3, 1])
def test_the_policy_image_by_image_in_pillow(channels):
    seed, epoch = 5, 2
    images = pictures(channels).repeat(40, 1, 1, 1)
    index = torch.arange(len(images))
    ours = AutoAugment()(images, Draws(seed, epoch, index))
    policy = (uniform(seed, epoch, index, Stream.POLICY).double() * 25).long()
    changed = 0
    for k, image in enumerate(images):
        picture = to_pillow(image)
        for (name, probability, level), (apply_stream, sign_stream) in zip(CIFAR10[policy[k]], STREAMS, strict=True):
            if float(uniform(seed, epoch, index[k], apply_stream)) < probability:
                negative = name in SIGNED and float(uniform(seed, epoch, index[k], sign_stream)) < 0.5
                magnitude = float(MAGNITUDES.get(name, [0.0] * 10)[level])
                picture = PILLOW[name](picture, -magnitude if negative else magnitude)
        assert torch.equal(ours[k], from_pillow(picture)), k
        changed += not torch.equal(ours[k], image)
    assert changed > len(images) / 2


def test_sub_policies_and_probabilities():
    index = torch.arange(100_000)
    counts = torch.bincount((uniform(0, 0, index, Stream.POLICY).double() * 25).long(), minlength=25)
    assert float(((counts - 4000) ** 2 / 4000).sum()) < 24 + 5 * 48**0.5
    # A bright picture of one colour shows the first operation of the last sub-policy alone: 0.7 of its images move.
    images = torch.full((100_000, 1, 4, 4), 200, dtype=torch.uint8)
    shown = AutoAugment()(images, Draws(0, 0, index))
    last = (uniform(0, 0, index, Stream.POLICY).double() * 25).long() == 24
    moved = (shown[last] == 128).flatten(1).any(1) | (shown[last] == 0).flatten(1).any(1)
    assert abs(float(moved.double().mean()) - 0.7) < 5 * (0.7 * 0.3 / int(last.sum())) ** 0.5
