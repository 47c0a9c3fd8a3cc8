"""Corruptions against their definitions: laws of what is drawn, Pillow's bytes, sums in double precision."""

import io
import itertools
from math import exp

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from spikedistill.evaluate import corruptions as room
from spikedistill.evaluate.corruptions import (
    contrast,
    corruptions,
    gaussian_blur,
    gaussian_noise,
    impulse_noise,
    jpeg,
    numbers_for,
    shot_noise,
)
from spikedistill.randomness import Draws

INDEX = torch.tensor([3, 4, 70, 9000, 12, 5])
SHAPES = [(3, 32, 32), (1, 28, 28), (2, 5, 7), (3, 64, 40), (10, 2, 12, 14)]


def some(*shape, seed=0, high=256):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, high, shape, generator=draw, dtype=torch.uint8)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_image_is_a_function_of_its_number(shape):
    """Whatever batch it is in; uint8 of the same shape, the given images untouched; at every severity another."""
    images = some(len(INDEX), *shape, high=4 if len(shape) == 4 else 256)
    kinds, _ = corruptions(shape)
    assert len({kind.name for kind in kinds}) == len(kinds)
    for kind in kinds:
        before, made = images.clone(), []
        for value in kind.values:
            together = kind.apply(images, value, Draws(0, 0, INDEX))
            one_by_one = [kind.apply(images[i : i + 1], value, Draws(0, 0, INDEX[i : i + 1])) for i in (5, 0, 3)]
            assert together.dtype == torch.uint8
            assert together.shape == images.shape
            assert torch.equal(torch.cat(one_by_one), together[[5, 0, 3]]), kind.name
            assert torch.equal(kind.apply(images, value, Draws(0, 0, INDEX)), together)
            assert kind.apply(images[:0], value, Draws(0, 0, INDEX[:0])).shape == (0, *shape)
            made.append(together)
        assert torch.equal(images, before)
        assert not any(torch.equal(one, images) for one in made), kind.name
        assert not any(torch.equal(one, other) for one, other in itertools.pairwise(made)), kind.name


def test_what_fits_which_data():
    names = {shape: [kind.name for kind in corruptions(shape)[0]] for shape in SHAPES}
    common = ["gaussian-noise", "shot-noise", "impulse-noise", "gaussian-blur", "contrast", "jpeg"]
    assert names[3, 32, 32] == [*common, "kdsnn-gaussian"]
    assert names[1, 28, 28][:6] == common
    assert names[1, 28, 28][6:] == [
        f"kdsnn-{one}" for one in ("background", "random", "rotation", "rotation-background")
    ]
    assert names[2, 5, 7] == common[:5]
    assert corruptions((2, 5, 7))[1]["jpeg"] == "for images of 1 or 3 channels; these have 2"
    assert names[10, 2, 12, 14] == ["events-dropped", "events-jittered-in-space", "events-jittered-in-time"]
    assert set(corruptions((10, 2, 12, 14))[1]) == {"corruption", "kdsnn"}
    for shape in SHAPES:
        assert not set(corruptions(shape)[1]) & set(names[shape])
        assert {kind.group for kind in corruptions(shape)[0]} <= {"corruption", "kdsnn", "events"}


def test_whose_numbers():
    assert [numbers_for((3, *size)) for size in ((8, 8), (32, 32), (33, 20), (64, 64), (65, 1), (224, 224))] == [
        *["CIFAR-10-C"] * 2,
        *["Tiny-ImageNet-C"] * 2,
        *["ImageNet-C"] * 2,
    ]
    (large,) = (kind for kind in corruptions((3, 224, 224))[0] if kind.name == "jpeg")
    assert large.values == (25, 18, 15, 10, 7)


@pytest.mark.parametrize("deviation", [0.04, 0.10])
def test_gaussian_noise(deviation):
    images = torch.full((40, 3, 32, 32), 128, dtype=torch.uint8)
    noise = (gaussian_noise(images, deviation, Draws(1, 0, torch.arange(40))).double() - 128) / 255
    number = noise.numel()
    assert abs(noise.mean()) < 5 * deviation / number**0.5
    # rounding to grey levels adds a twelfth of their square
    assert noise.var() == pytest.approx(deviation**2 + 1 / 12 / 255**2, rel=5 * (2 / number) ** 0.5)
    bright = gaussian_noise(torch.full_like(images, 255), deviation, Draws(1, 0, torch.arange(40)))
    assert (bright == 255).double().mean() == pytest.approx(0.5, abs=0.05), "half of it is clipped"


@pytest.mark.parametrize("photons", [500, 50, 3])
def test_shot_noise_is_poissons(photons):
    """Each grey level's counts against the law's probabilities; and the exact inverse of the law, number by number."""
    for level in (0, 1, 90, 255):
        images = torch.full((30, 1, 32, 32), level, dtype=torch.uint8)
        draws = Draws(2, 0, torch.arange(30))
        drawn = draws.uniform("shot-noise", 1, 32, 32).double().numpy()
        number = np.maximum(stats.poisson.ppf(np.nextafter(drawn, 1), photons * level / 255), 0)
        wanted = np.clip(np.round(number * 255 / photons), 0, 255)
        found = shot_noise(images, photons, draws)
        assert np.array_equal(found.numpy(), wanted)
        if level == 90 and photons > 3:  # nothing is clipped
            rate = photons * level / 255
            variance = found.double().var() / 255**2 * photons**2
            assert found.double().mean() * photons / 255 == pytest.approx(rate, abs=6 * (rate / 30720) ** 0.5)
            assert variance == pytest.approx(rate + photons**2 / 12 / 255**2, rel=0.06)
    if photons == 3:
        share = shot_noise(torch.full((99, 1, 32, 32), 170, dtype=torch.uint8), 3, Draws(0, 0, torch.arange(99))) == 0
        assert share.double().mean() == pytest.approx(exp(-2), abs=0.006)


def test_impulse_noise():
    images = torch.full((50, 3, 32, 32), 100, dtype=torch.uint8)
    for share in (0.01, 0.07):
        noisy = impulse_noise(images, share, Draws(0, 0, torch.arange(50)))
        assert set(noisy.unique().tolist()) == {0, 100, 255}
        error = 5 * (share / images.numel()) ** 0.5
        for value in (0, 255):
            assert (noisy == value).double().mean() == pytest.approx(share / 2, abs=error)
        per_pixel = (noisy != 100).double().mean(1).flatten()
        assert ((per_pixel > 0) & (per_pixel < 1)).sum() > 0, "each channel by itself"


@pytest.mark.parametrize("deviation", [0.4, 1.0, 3.0])
def test_blur_is_a_sum_over_the_window(deviation):
    images = some(2, 2, 9, 11)
    radius = int(4 * deviation + 0.5)
    offsets = range(-radius, radius + 1)
    weights = {(i, j): exp(-(i * i + j * j) / (2 * deviation**2)) for i in offsets for j in offsets}
    total = sum(weights.values())
    values, wanted = images.double().numpy(), np.zeros((2, 2, 9, 11))
    for y in range(9):
        for x in range(11):
            for (i, j), weight in weights.items():
                at = values[:, :, min(max(y + i, 0), 8), min(max(x + j, 0), 10)]
                wanted[:, :, y, x] += weight / total * at
    found = gaussian_blur(images, deviation, Draws(0, 0, torch.arange(2))).numpy()
    assert np.abs(found - wanted).max() <= 0.5 + 1e-9


def test_contrast():
    images = some(3, 3, 6, 5)
    values = images.numpy().astype(np.float64)
    for factor in (0.75, 0.15):
        found = contrast(images, factor, Draws(0, 0, torch.arange(3))).numpy()
        for b in range(3):
            for c in range(3):
                mean = values[b, c].sum() / 30
                assert np.abs(found[b, c] - (mean + factor * (values[b, c] - mean))).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows(channels):
    images = some(3, channels, 32, 24)
    for quality in (80, 40, 7):
        found = jpeg(images, quality, Draws(0, 0, torch.arange(3)))
        for before, after in zip(images, found, strict=True):
            rows = before.permute(1, 2, 0).numpy().squeeze()
            buffer = io.BytesIO()
            Image.fromarray(rows).save(buffer, format="JPEG", quality=quality)
            assert np.array_equal(after.permute(1, 2, 0).numpy().squeeze(), np.asarray(Image.open(buffer)))


def test_noises_of_kdsnn_are_those_of_the_data():
    """The same functions make its data sets, whose laws tests/data/test_noisy.py knows; patches are read once."""
    images = torch.full((60, 3, 32, 32), 128, dtype=torch.uint8)
    (kind,) = (one for one in corruptions((3, 32, 32))[0] if one.group == "kdsnn")
    for variance in kind.values:
        noise = (kind.apply(images, variance, Draws(0, 0, torch.arange(60))).double() - 128) / 255
        clipped = np.clip(np.random.default_rng(0).normal(0, variance**0.5, 10**6), -128 / 255, 127 / 255)
        assert noise.var() == pytest.approx(clipped.var(), rel=0.02)
    digits = some(4, 1, 28, 28, high=2)
    made = {one.name: one for one in corruptions((1, 28, 28))[0] if one.group == "kdsnn"}
    behind = made["kdsnn-background"].apply(digits, 10.0, Draws(0, 0, torch.arange(4)))
    assert (behind >= digits).all()
    assert all(one.double().std() > 9 for one in behind)
    assert room._patches() is room._patches()
