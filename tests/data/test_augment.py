import hashlib
from dataclasses import dataclass

import pytest
import torch

from spikedistill.data import Augment
from spikedistill.data.augment import AlternatingFlip, Crop, Cutout, Flip
from spikedistill.data.autoaugment import AutoAugment
from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.digits import Digits
from spikedistill.data.mnist import MNIST
from spikedistill.data.normalise import normalise
from spikedistill.data.split import Split, TensorSplit
from spikedistill.data.transform import Transform
from spikedistill.errors import InputError
from spikedistill.randomness import Draws
from spikedistill.values.kinds import shipped_kinds

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


def augment(images, index, data, seed, view):
    """The images as the split of a data set shows them, where they have these numbers."""
    numbers = torch.zeros(64_000, dtype=torch.int64)
    numbers[index] = torch.arange(len(index))

    @dataclass(frozen=True)
    class Here(Split):
        def take(self, index, view=0):
            return images[numbers[index]]

    return data.augmented(Here(numbers), seed).take(index, view)


def crop_and_flip(images, padding, flip):
    draws = Draws(0, 0, torch.arange(len(images)))
    cropped = Crop(padding)(images, draws) if padding else images
    return Flip()(cropped, draws) if flip else cropped


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


REFUSED = {("policy", "frames"), ("event-drop", "images")}
SAMPLES = {"images": (3, 32, 32), "frames": (4, 2, 12, 16)}


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("kind", shipped_kinds(Transform).values(), ids=lambda kind: kind.__name__)
def test_every_kind_of_transformation_keeps_the_contract(kind, samples):
    shape, index = SAMPLES[samples], torch.arange(64) * 1000
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256 if samples == "images" else 4, (64, *shape), dtype=torch.uint8, generator=draw)
    if (kind.name, samples) in REFUSED:
        with pytest.raises(InputError, match="Leave it out"):
            kind().fitted(shape, (0.5,) * shape[-3])
        return
    before, transform = images.clone(), kind().fitted(shape, (0.5,) * shape[-3])
    together = transform(images, Draws(3, 5, index))
    assert torch.equal(images, before)
    assert (together.shape, together.dtype) == (images.shape, torch.uint8)
    assert not torch.equal(together, images)
    assert not torch.equal(together, transform(images, Draws(3, 6, index)))
    for k in range(0, 64, 7):
        assert torch.equal(transform(images[k : k + 1], Draws(3, 5, index[k : k + 1])), together[k : k + 1])
    none = Draws(3, 5, index[:0])
    assert transform(images[:0], none).shape == images[:0].shape
    if samples == "frames" and kind.name != "event-drop":  # all frames of a sample move alike
        still = images[:, :1].expand(images.shape)
        shown = transform(still.contiguous(), Draws(3, 5, index))
        assert torch.equal(shown, shown[:, :1].expand(shown.shape))


def test_no_augmentation_is_none():
    split = TensorSplit(pictures(MNIST()), torch.zeros(64, dtype=torch.int64))
    assert MNIST().augmented(split, 0) is split


def test_an_empty_batch():
    images, index = torch.zeros(0, 3, 32, 32, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64)
    assert augment(images, index, EVERYTHING, 0, 0).shape == images.shape


def test_crop_shows_every_window_of_the_padded_image_equally_often():
    number, height, width, padding = 4500, 5, 4, 1
    images = numbered(number, height, width)
    shown = crop_and_flip(images, padding, False)
    padded = torch.nn.functional.pad(images[:1], (padding,) * 4)
    windows = [padded[0, 0, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    counts = torch.stack([(shown[:, 0] == window).flatten(1).all(1) for window in windows]).sum(1)
    assert counts.sum() == number
    assert float(((counts - 500) ** 2 / 500).sum()) < 8 + 5 * 4


def test_flip_mirrors_half_of_the_images():
    images = numbered(4000, 3, 5)
    shown = crop_and_flip(images, 0, True)
    mirrored = (shown == images.flip(3)).flatten(1).all(1)
    same = (shown == images).flatten(1).all(1)
    assert bool((mirrored ^ same).all())
    assert abs(int(mirrored.sum()) - 2000) < 5 * 32


def test_alternating_flip_shows_each_image_both_ways_in_any_two_views():
    """Half of them are mirrored in each view, in another half than its neighbour's; Flip's own view 0 is the first."""
    images, index = numbered(4000, 3, 5), torch.arange(4000)

    def mirrored(view, part=slice(None)):
        shown = AlternatingFlip()(images[part], Draws(7, view, index[part]))
        there = (shown == images[part].flip(3)).flatten(1).all(1)
        assert torch.equal(shown[~there], images[part][~there])
        return there

    first = mirrored(0)
    assert abs(int(first.sum()) - 2000) < 5 * 32
    assert torch.equal(first, (Flip()(images, Draws(7, 0, index)) != images).flatten(1).any(1))
    for view in (1, 2, 3, 10, 11):
        assert torch.equal(mirrored(view), first ^ bool(view % 2))
    assert torch.equal(mirrored(1, slice(50, 70)), mirrored(1)[50:70]), "whatever the batch"


def test_crop_and_flip_do_not_depend_on_each_other():
    images = numbered(4000, 6, 6)
    cropped = crop_and_flip(images, 2, False)
    both = crop_and_flip(images, 2, True)
    flipped = (crop_and_flip(images, 0, True) != images).flatten(1).any(1)
    assert torch.equal(both[~flipped], cropped[~flipped])
    assert torch.equal(both[flipped].flip(3), crop_and_flip(images, 2, False)[flipped])


@pytest.mark.parametrize("length", [1, 2, 5, 16])
def test_cutout_fills_one_square_around_any_pixel(length):
    images = torch.full((6000, 3, 9, 7), 200, dtype=torch.uint8)
    mean = (0.5, 0.0, 1.0)
    out = Cutout(length, mean)(images, Draws(0, 0, torch.arange(6000)))
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
    shown = data.augmented(TensorSplit(images, index), 0).take(index, 0)
    assert normalise(shown, data.mean, data.std).shape == images.shape
    with pytest.raises((RuntimeError, NotImplementedError)):
        AutoAugment()(images, Draws(0, 0, index))


@pytest.mark.parametrize(
    ("data", "expected"),
    list(
        zip(
            ALONE,
            [
                "719a8fe16747",
                "a67a07538124",
                "a6e3d2af8d20",
                "37f410763916",
                "37aa15e9a375",
                "ef6b9ba13d18",
            ],
            strict=True,
        )
    ),
    ids=lambda value: repr(value)[:60],
)
def test_augmentation_is_what_it_was_in_the_first_version(data, expected):
    """To the bit: kept results were trained with it."""
    shown = augment(pictures(data), torch.arange(64) * 1000, data, 3, 5)
    assert hashlib.sha256(shown.contiguous().numpy().data).hexdigest().startswith(expected)


FRAMES = [Crop(2), Flip(), AlternatingFlip(), Cutout(3, (0.5, 0.25)), Cutout(3)]


@pytest.mark.parametrize("transform", FRAMES, ids=repr)
def test_the_same_happens_to_all_frames(transform):
    frames = torch.randint(0, 256, (16, 3, 2, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    before, draws = frames.clone(), Draws(0, 1, torch.arange(16))
    transform = transform.fitted((3, 2, 8, 6), (0.1, 0.9))
    shown = transform(frames, draws)
    assert torch.equal(frames, before)
    assert not torch.equal(shown, frames)
    for t in range(3):
        assert torch.equal(shown[:, t], transform(frames[:, t], draws))


@pytest.mark.parametrize(
    ("transform", "shape", "words"),
    [
        (Crop(1_000_000_000), (3, 32, 32), "padding must be from 1 to 32 for images of 32x32"),
        (Cutout(17), (1, 8, 7), "length must be from 1 to 16"),
        (Cutout(2, (0.5,)), (3, 8, 8), "fill has 1 values for images of 3 channels"),
        (AutoAugment(), (2, 8, 8), "these are images of 2 channels"),
        (AutoAugment(), (4, 1, 8, 8), "these are frames"),
    ],
)
def test_what_does_not_fit_the_images_is_refused(transform, shape, words):
    with pytest.raises(InputError, match=words):
        transform.fitted(shape, (0.5,) * shape[-3])


@pytest.mark.parametrize("make", [lambda: Crop(0), lambda: Crop(-1), lambda: Cutout(0), lambda: Cutout(2, (127.0,))])
def test_impossible_transformations_are_refused(make):
    with pytest.raises(InputError, match="must be"):
        make()
