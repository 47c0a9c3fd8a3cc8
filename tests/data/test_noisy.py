"""Variations of MNIST and noise on CIFAR-10: what is drawn has the stated distribution, and rotation is Pillow's."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from spikedistill.data import NoisyCIFAR10, NoisyMNIST, TensorSplit, noisy
from spikedistill.data.noisy import Patches, gaussian, read_photos, rotated, textured
from spikedistill.errors import InputError
from spikedistill.randomness import Draws


@pytest.fixture
def files(monkeypatch):
    """Seventy black images of MNIST's size but for one bright pixel, and ten grey ones of CIFAR-10's; in no files."""

    def digits(self):
        images = torch.zeros(70, 1, 28, 28, dtype=torch.uint8)
        images[:, 0, 3, 14] = 255
        labels = torch.arange(70) % 10
        return SimpleNamespace(train=TensorSplit(images[:60], labels[:60]), test=TensorSplit(images[60:], labels[60:]))

    def photographs(self):
        split = TensorSplit(torch.full((10, 3, 32, 32), 128, dtype=torch.uint8), torch.arange(10))
        return SimpleNamespace(train=split, test=split)

    monkeypatch.setattr(noisy.MNIST, "load", digits)
    monkeypatch.setattr(noisy.CIFAR10, "load", photographs)
    monkeypatch.setattr(noisy, "TRAIN", 30)
    monkeypatch.setattr(noisy, "TEST", 40)


def test_quarter_turns_are_exact():
    image = torch.randint(0, 256, (1, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for quarters in range(4):
        turned = rotated(image, torch.tensor([quarters * np.pi / 2]).double())
        assert torch.equal(turned, torch.rot90(image, quarters, (2, 3)))


def test_rotation_is_that_of_another_library():
    """Inside, within a grey level; Pillow treats the border in its own way."""
    image = torch.randint(0, 256, (1, 1, 28, 28), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    for degrees in (17.0, 123.0, 301.0):
        mine = rotated(image, torch.tensor([np.deg2rad(degrees)]))[0, 0].numpy().astype(int)
        theirs = np.asarray(Image.fromarray(image[0, 0].numpy()).rotate(degrees, Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(mine - theirs)[7:21, 7:21].max() <= 1


def test_textured_places_are_those_that_deviate():
    draw = np.random.default_rng(0)
    photo = torch.from_numpy(draw.integers(0, 256, (34, 40), dtype=np.uint8))
    photo[:, :32] //= 16
    places = {tuple(place) for place in textured(photo).tolist()}
    for y in range(7):
        for x in range(13):
            deviates = photo[y : y + 28, x : x + 28].double().std(unbiased=False) >= 10
            assert ((y, x) in places) == bool(deviates)
    assert 0 < len(places) < 91
    assert len(textured(photo[:20])) == 0


def test_patches_are_cut_from_the_photographs():
    photos = read_photos("")
    assert [tuple(photo.shape) for photo in photos] == [(427, 640)] * 2
    patches = Patches(photos)(Draws(0, 0, torch.arange(20)))
    windows = [photo.unfold(0, 28, 1).unfold(1, 28, 1)[:, :, 0, :3].reshape(-1, 3) for photo in photos]
    for patch in patches:
        assert patch.double().std(unbiased=False) >= 10
        assert any(bool((seen == patch[0, 0, :3]).all(1).any()) for seen in windows)
    with pytest.raises(InputError, match="None of the 1 photographs has a patch"):
        Patches([torch.zeros(40, 40, dtype=torch.uint8)])


@pytest.mark.parametrize("variation", ["background", "random", "rotation", "rotation-background", "basic"])
@pytest.mark.usefixtures("files")
def test_variations(variation):
    data = NoisyMNIST(variation=variation).with_facts()
    assert (data.shape, sum(data.train_counts), sum(data.test_counts), data.classes) == ((1, 28, 28), 30, 40, 10)
    images = data.load().train.images
    moved = images[:, 0, 3, 14] < 255
    assert bool(moved.all()) == (variation == "rotation") or variation == "rotation-background" or not moved.any()
    dark = (images == 0).float().mean()
    assert (dark > 0.9) == (variation in ("rotation", "basic"))
    if variation == "basic":
        assert images.sum() == 255 * len(images)
        assert data.without_noise() is data
        return
    if variation == "random":
        values = images.flatten(1)[:, :80].flatten().numpy()  # above the digit
        assert stats.kstest(values / 255, "uniform").statistic < 0.04
    assert not torch.equal(images, NoisyMNIST(variation=variation, noise_seed=1).load().train.images)


@pytest.mark.usefixtures("files")
def test_the_images_without_their_noise():
    """The same ones in the same order and parts."""
    for data, parts in (
        (NoisyMNIST(variation="background", validation=10), ("train", "validation", "test")),
        (NoisyCIFAR10(), ("train", "test")),
    ):
        found = data.with_facts()
        clean, theirs = found.without_noise().load(), found.load()
        for name in parts:
            one, other = getattr(clean, name), getattr(theirs, name)
            assert torch.equal(one.labels, other.labels)
            assert len(one.first(1).unique()) <= 2
            assert not torch.equal(one.first(3), other.first(3))


def test_gaussian_numbers_are():
    assert gaussian(Draws(3, 0, torch.arange(7)), "a", 1, 5, 5).shape == (7, 1, 5, 5), "of odd sizes too"
    drawn = gaussian(Draws(3, 0, torch.arange(200)), "a", 2, 5, 10)
    assert drawn.shape == (200, 2, 5, 10)
    assert stats.kstest(drawn.flatten().numpy(), "norm").pvalue > 0.01
    assert torch.equal(drawn[7:8], gaussian(Draws(3, 0, torch.tensor([7])), "a", 2, 5, 10))


@pytest.mark.usefixtures("files")
def test_noise_has_the_stated_variance():
    splits = NoisyCIFAR10(variance=0.01).load()
    for split in (splits.train, splits.test):
        assert (split.images.double() / 255).var() == pytest.approx(0.01, rel=0.03)
    assert not torch.equal(splits.train.images, splits.test.images)
    loud = NoisyCIFAR10(variance=0.25).load().train.images
    assert loud.min() == 0
    assert loud.max() == 255
    with pytest.raises(InputError, match="variance must be"):
        NoisyCIFAR10(variance=0.0)


@pytest.mark.usefixtures("files")
def test_photographs_of_ones_own(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 2, (40, 40), dtype=np.uint8) * 77
    Image.fromarray(pixels).save(tmp_path / "a.png")
    images = NoisyMNIST(photos=str(tmp_path)).load().train.images
    assert set(images.unique().tolist()) == {0, 77, 255}
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b.png cannot be decoded"):
        NoisyMNIST(photos=str(tmp_path)).load()
    with pytest.raises(InputError, match="cannot be looked at"):
        NoisyMNIST(photos=str(tmp_path / "none")).load()


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("SPIKEDISTILL_DATA"), reason="SPIKEDISTILL_DATA is not set")
def test_the_published_digits():
    data = NoisyMNIST(variation="rotation-background").with_facts()
    assert (sum(data.train_counts), sum(data.test_counts)) == (12_000, 50_000)
