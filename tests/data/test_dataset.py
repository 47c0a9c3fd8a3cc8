import pytest
import torch

from spikedistill.data import Augment, TensorSplit, datasets
from spikedistill.data.augment import Crop, Cutout, Flip
from spikedistill.data.autoaugment import AutoAugment
from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.digits import Digits
from spikedistill.data.mnist import MNIST
from spikedistill.errors import InputError


def test_all_data_sets_are_found_by_name():
    found = datasets()
    assert {"digits", "mnist", "fashion-mnist", "cifar10"} <= set(found)
    for name, dataset in found.items():
        assert dataset.name == name
        if not dataset().described:
            continue  # files of one's own, which are found out about when they are there
        assert len(dataset.train_counts) == len(dataset.test_counts) == dataset.classes
        assert len(dataset().mean) == len(dataset().std) == dataset().shape[0]


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    splits = Digits().load()
    assert splits.validation is None
    assert splits.train.images.shape == (1437, 1, 8, 8)
    assert splits.test.images.shape == (360, 1, 8, 8)
    assert splits.train.images.dtype == torch.uint8
    together = torch.cat([splits.train.images, splits.test.images]).flatten(1).tolist()
    expected = torch.from_numpy(load_digits().data).mul(255 / 16).round().long().tolist()
    assert sorted(together) == sorted(expected)


def test_statistics_of_digits():
    values = Digits().load().train.images.double() / 255
    assert values.mean() == pytest.approx(Digits().mean[0], abs=5e-5)
    assert values.std(unbiased=False) == pytest.approx(Digits().std[0], abs=5e-5)


def test_validation_and_train_size_cut_the_training_set_only():
    whole, cut = Digits().load(), Digits(validation=137, train_size=100).load()
    assert torch.equal(whole.test.images, cut.test.images)
    assert len(cut.validation) == 137
    assert torch.bincount(cut.train.labels).tolist() == [10] * 10
    rows = [set(map(tuple, split.images.flatten(1).tolist())) for split in (cut.train, cut.validation, whole.train)]
    assert not rows[0] & rows[1]
    assert rows[0] | rows[1] <= rows[2]


def test_validation_does_not_depend_on_train_size():
    a, b = Digits(validation=50).load(), Digits(validation=50, train_size=10).load()
    assert torch.equal(a.validation.images, b.validation.images)


def test_the_whole_training_set_can_be_used():
    assert len(Digits(validation=437, train_size=1000).load().train) == 1000
    assert len(Digits(train_size=1437).load().train) == 1437


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"train_size": -1}, "train_size"),
        ({"validation": -1}, "validation"),
        ({"train_size": 1438}, "1437"),
        ({"validation": 1437}, "Lower"),
        ({"validation": 438, "train_size": 1000}, "Lower"),
    ],
)
def test_impossible_sizes_are_refused_before_anything_is_read(fields, word):
    with pytest.raises(InputError, match=word):
        Digits(**fields)


def test_the_usual_augmentation_is_a_tuple_in_the_usual_order():
    usual = Augment(crop=4, flip=True, policy="cifar10", cutout=16)
    assert usual == (Crop(4), Flip(), AutoAugment("cifar10"), Cutout(16))
    assert [transform.order for transform in usual] == sorted(transform.order for transform in usual)
    assert Augment() == ()


@pytest.mark.parametrize(
    ("augment", "word"),
    [
        (lambda: Augment(crop=-1), "padding must be 1 or more, not -1"),
        (lambda: Augment(cutout=-2), "length"),
        (lambda: CIFAR10(augment=Augment(crop=10**9)), "padding must be from 1 to 32"),
        (lambda: CIFAR10(augment=Augment(cutout=65)), "length must be from 1 to 64"),
        (lambda: MNIST(train_size=10**30), "train_size"),
    ],
)
def test_impossible_fields_are_refused_when_the_value_is_made(augment, word):
    with pytest.raises(InputError, match=word):
        augment()


def test_data_sets_are_values():
    assert MNIST(train_size=5) == MNIST(train_size=5)
    assert hash(MNIST(augment=Augment(crop=2))) == hash(MNIST(augment=Augment(crop=2)))


def test_part_of_a_split():
    split = TensorSplit(torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1), torch.arange(5))
    part = split[torch.tensor([4, 1])]
    assert part.images.flatten().tolist() == part.labels.tolist() == [4, 1]


def test_the_room_offers_its_classes(command):
    import spikedistill.data as room

    for name in room.__all__:
        assert getattr(room, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'FashionMnist'"):
        _ = room.FashionMnist
    code = "import sys, spikedistill.data as d; assert 'torch' not in sys.modules; from spikedistill.data import Crop"
    assert command("-c", code, program=()).returncode == 0


def test_augmentation_is_changed_on_the_command_line():
    from spikedistill.recipe import Recipe
    from spikedistill.recipes.mnist import scratch
    from spikedistill.values.change import change

    recipe = scratch
    for path, given, expected in [
        ("crop", "1", Augment(crop=1)),
        ("cutout.length", "7", Augment(crop=1, cutout=7)),
        ("flip", "true", Augment(crop=1, flip=True, cutout=7)),
        ("policy", "cifar10", Augment(crop=1, flip=True, policy="cifar10", cutout=7)),
        ("crop", "0", Augment(flip=True, policy="cifar10", cutout=7)),
        ("flip", "false", Augment(policy="cifar10", cutout=7)),
    ]:
        recipe = change(recipe, {f"data.augment.{path}": given})
        assert isinstance(recipe, Recipe)
        assert recipe.data.augment == expected
    assert change(recipe, {"data.augment": "none"}).data.augment == ()
