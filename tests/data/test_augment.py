import pytest
import torch

from spikedistill.data import Augment
from spikedistill.data.augment import augment, crop_and_flip, cutout
from spikedistill.data.autoaugment import cifar10_policy
from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.digits import Digits
from spikedistill.data.mnist import MNIST
from spikedistill.data.normalise import normalise

EVERYTHING = CIFAR10(augment=Augment(crop=4, flip=True, policy="cifar10", cutout=16))
ALONE = [
    CIFAR10(augment=Augment(crop=4)),
    CIFAR10(augment=Augment(flip=True)),
    CIFAR10(augment=Augment(policy="cifar10")),
    CIFAR10(augment=Augment(cutout=16)),
    EVERYTHING,
    MNIST(augment=Augment(crop=2, policy="cifar10", cutout=7)),
]


def pictures(data, number=64):
    return torch.randint(0, 256, (number, *data.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def numbered(number, height, width):
    """Every pixel tells its own place, and none is 0."""
    return (torch.arange(height * width, dtype=torch.uint8) + 1).view(1, 1, height, width).repeat(number, 1, 1, 1)


@pytest.mark.parametrize("data", ALONE, ids=lambda data: repr(data.augment))
def test_an_image_is_the_same_alone_and_in_any_batch(data):
    images, index = pictures(data), torch.arange(64) * 1000
    together = augment(images, index, data, 3, 5)
    assert together.shape == images.shape
    assert not torch.equal(together, images)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(augment(images[order], index[order], data, 3, 5), together[order])
    for k in range(0, 64, 7):
        assert torch.equal(augment(images[k : k + 1], index[k : k + 1], data, 3, 5), together[k : k + 1])


@pytest.mark.parametrize("data", ALONE, ids=lambda data: repr(data.augment))
def test_epochs_and_seeds_differ_and_the_input_stays(data):
    images, index = pictures(data), torch.arange(64)
    before = images.clone()
    shown = [augment(images, index, data, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))]
    assert torch.equal(shown[0], shown[3])
    assert not torch.equal(shown[0], shown[1])
    assert not torch.equal(shown[0], shown[2])
    assert torch.equal(images, before)


def test_no_augmentation_is_none():
    images = pictures(MNIST())
    assert augment(images, torch.arange(64), MNIST(), 0, 0) is images


def test_an_empty_batch():
    images, index = torch.zeros(0, 3, 32, 32, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64)
    assert augment(images, index, EVERYTHING, 0, 0).shape == images.shape


def test_crop_shows_every_window_of_the_padded_image_equally_often():
    number, height, width, padding = 4500, 5, 4, 1
    images = numbered(number, height, width)
    shown = crop_and_flip(images, torch.arange(number), padding, False, 0, 0)
    padded = torch.nn.functional.pad(images[:1], (padding,) * 4)
    windows = [padded[0, 0, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    counts = torch.stack([(shown[:, 0] == window).flatten(1).all(1) for window in windows]).sum(1)
    assert counts.sum() == number
    assert float(((counts - 500) ** 2 / 500).sum()) < 8 + 5 * 4


def test_flip_mirrors_half_of_the_images():
    images = numbered(4000, 3, 5)
    shown = crop_and_flip(images, torch.arange(4000), 0, True, 0, 0)
    mirrored = (shown == images.flip(3)).flatten(1).all(1)
    same = (shown == images).flatten(1).all(1)
    assert bool((mirrored ^ same).all())
    assert abs(int(mirrored.sum()) - 2000) < 5 * 32


def test_crop_and_flip_do_not_depend_on_each_other():
    images = numbered(4000, 6, 6)
    index = torch.arange(4000)
    cropped = crop_and_flip(images, index, 2, False, 0, 0)
    both = crop_and_flip(images, index, 2, True, 0, 0)
    flipped = (crop_and_flip(images, index, 0, True, 0, 0) != images).flatten(1).any(1)
    assert torch.equal(both[~flipped], cropped[~flipped])
    assert torch.equal(both[flipped].flip(3), crop_and_flip(images, index, 2, False, 0, 0)[flipped])


@pytest.mark.parametrize("length", [1, 2, 5, 16])
def test_cutout_fills_one_square_around_any_pixel(length):
    images = torch.full((6000, 3, 9, 7), 200, dtype=torch.uint8)
    mean = (0.5, 0.0, 1.0)
    out = cutout(images, torch.arange(6000), length, mean, 0, 0)
    hole = out[:, 0] != 200
    for channel, value in enumerate(mean):
        expected = torch.where(hole, torch.tensor(round(255 * value), dtype=torch.uint8), images[:, channel])
        assert torch.equal(out[:, channel], expected)
    expected = {}
    for y in range(9):
        for x in range(7):
            one = torch.zeros(9, 7, dtype=torch.bool)
            top, left = y - length // 2, x - length // 2
            one[max(top, 0) : max(top + length, 0), max(left, 0) : max(left + length, 0)] = True
            key = one.numpy().tobytes()
            expected[key] = expected.get(key, 0) + 6000 / 63
    found = {}
    for row in hole.numpy():
        found[row.tobytes()] = found.get(row.tobytes(), 0) + 1
    assert set(found) == set(expected)
    chi2 = sum((found[key] - count) ** 2 / count for key, count in expected.items())
    assert chi2 < len(expected) + 5 * (2 * len(expected)) ** 0.5


def test_cutout_is_zero_after_normalisation():
    data = CIFAR10(augment=Augment(cutout=64))
    x = normalise(augment(pictures(data), torch.arange(64), data, 0, 0), data.mean, data.std)
    assert float(x.abs().max()) <= max(1 / (510 * std) for std in data.std)


def test_normalise_by_hand():
    images = pictures(CIFAR10(), 8)
    mean, std = CIFAR10().mean, CIFAR10().std
    x = normalise(images, mean, std)
    for c in range(3):
        expected = (images[:, c].double() / 255 - mean[c]) / std[c]
        assert torch.allclose(x[:, c].double(), expected, atol=1e-6)
    assert x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(normalise(images, mean, std, torch.bfloat16), x.to(torch.bfloat16))


def test_whole_training_set_comes_out_standardised():
    data = Digits()
    x = normalise(data.load().train.images, data.mean, data.std)
    assert abs(float(x.mean())) < 1e-3
    assert abs(float(x.std()) - 1) < 1e-3


def test_crop_flip_cutout_and_normalisation_never_ask_the_device_for_a_value():
    data = CIFAR10(augment=Augment(crop=4, flip=True, cutout=16))
    images = torch.empty(8, 3, 32, 32, dtype=torch.uint8, device="meta")
    index = torch.empty(8, dtype=torch.int64, device="meta")
    # Tensors on "meta" have no values: whatever asks for one fails.
    shown = augment(images, index, data, 0, 0)
    assert normalise(shown, data.mean, data.std).shape == images.shape
    with pytest.raises((RuntimeError, NotImplementedError)):
        cifar10_policy(images, index, 0, 0)
