"""Data sets of one's own: what they are like is found once, kept in the recipe and checked; unfit data are refused."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spikedistill.data import Augment, Split
from spikedistill.data.dataset import Dataset
from spikedistill.data.own import OwnDataset
from spikedistill.errors import InputError, UserCodeError
from spikedistill.methods import KDSNNResponse
from spikedistill.recipe import FromRecipe
from spikedistill.runs import train as runs
from spikedistill.runs.evaluate import evaluate_run
from spikedistill.values.plain import from_json, to_json


def arrays(train=30, test=12):
    draw = np.random.default_rng(0)
    return {
        "train": draw.integers(0, 200, (train, 2, 6, 5), dtype=np.uint8),
        "train_labels": np.arange(train) % 3,
        "test": draw.integers(0, 256, (test, 2, 6, 5), dtype=np.uint8),
        "test_labels": np.arange(test, dtype=np.uint8) % 3,
    }


@dataclass(frozen=True)
class Mine(OwnDataset):
    """A file of arrays."""

    file: str = ""

    def _read(self):
        held = np.load(self.file)
        return (held["train"], held["train_labels"]), (held["test"], held["test_labels"])


def mine(tmp_path, **changes):
    np.savez(tmp_path / "mine.npz", **arrays() | changes)
    return Mine(file=str(tmp_path / "mine.npz"))


def test_what_data_are_like_is_found(tmp_path):
    data = mine(tmp_path).with_facts()
    images = arrays()["train"].astype(np.float64) / 255
    assert data.name == "mine"
    assert (data.classes, data.train_counts, data.test_counts) == (3, (10, 10, 10), (4, 4, 4))
    assert (data.shape, data.steps) == ((2, 6, 5), None)
    assert data.mean == pytest.approx(images.mean((0, 2, 3)), abs=5e-5)
    assert data.std == pytest.approx(images.std((0, 2, 3)), abs=5e-5)
    assert data.with_facts() is data
    splits = replace(data, train_size=6, validation=3).load()
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (6, 3, 12)
    assert torch.equal(splits.test.images, torch.from_numpy(arrays()["test"]))
    assert from_json(Dataset, json.loads(json.dumps(to_json(data)))) == data
    assert torch.equal(mine(tmp_path).load().train.images, data.load().train.images)


def test_a_constant_channel_has_a_deviation_of_one(tmp_path):
    still = arrays()["train"]
    still[:, 1] = 51
    data = mine(tmp_path, train=still).with_facts()
    assert (data.mean[1], data.std[1]) == (0.2, 1.0)


def test_frames_are_seen_by_their_shape(tmp_path):
    draw = np.random.default_rng(1)
    frames = {part: draw.integers(0, 9, (n, 4, 2, 6, 5), dtype=np.uint8) for part, n in (("train", 30), ("test", 12))}
    data = mine(tmp_path, **frames).with_facts()
    assert (data.shape, data.steps, data.sample_shape) == ((2, 6, 5), 4, (4, 2, 6, 5))
    assert data.mean == pytest.approx(frames["train"].mean((0, 1, 3, 4)) / 255, abs=5e-5)
    assert len(data.load().train) == 30


def test_a_run_says_what_its_data_are_like_and_changed_data_are_refused(student, tmp_path):
    data = replace(mine(tmp_path), augment=Augment(crop=1, flip=True))
    teacher = replace(student, name="teacher", data=replace(data, train_size=20), batch_size=10, epochs=1)
    recipe = replace(teacher, name="mine", data=data, method=KDSNNResponse(), teacher=FromRecipe(teacher))
    run = runs.train_recipe(recipe, tmp_path / "runs", "cpu")
    said = json.loads((run.folder / "recipe.json").read_text())["data"]["facts"]
    assert said["train_counts"] == [10, 10, 10]
    assert runs.train_recipe(recipe, tmp_path / "runs", "cpu").folder == run.folder
    assert evaluate_run(run)["accuracy"] == pytest.approx(run.metrics["accuracy"])

    other = arrays()["test"]
    other[0, 0, 0, 0] += 1
    mine(tmp_path, test=other)
    with pytest.raises(InputError, match=r"test set of mine has changed since .* as many samples, with other pixels"):
        evaluate_run(run)
    mine(tmp_path, **arrays(train=31))
    with pytest.raises(InputError, match=r"training set .* \[10, 10, 10\] samples of the classes then, \[11, 10, 10\]"):
        evaluate_run(run)
    assert runs.train_recipe(recipe, tmp_path / "runs", "cpu").folder != run.folder  # other data are another run


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": arrays()["train"] / 255.0}, "float64; they must be uint8, 0 to 255, unnormalised. Multiply by 255"),
        ({"train": arrays()["train"].astype(np.float32)}, "float32.*Round and convert to uint8"),
        ({"train": arrays()["train"].astype(np.int64)}, "int64.*Clip"),
        ({"train": arrays()["train"][:, 0]}, r"\[30, 6, 5\].*images\[:, None\] has a channel"),
        ({"train": np.zeros((30, 6, 5, 3), np.uint8)}, r"channels last: images.transpose\(0, 3, 1, 2\)"),
        ({"train": np.zeros((30, 2, 0, 5), np.uint8)}, r"shape \[30, 2, 0, 5\]"),
        ({"train": arrays()["train"][:29]}, "29 images and 30 labels"),
        ({"train_labels": np.arange(30) % 3 - 1}, "label -1; labels are 0 to K - 1"),
        ({"train_labels": np.arange(30) % 3 + 1}, "no training image of class 0"),
        ({"train_labels": np.full(30, 10**9)}, "label 1000000000"),
        ({"train_labels": np.arange(30.0)}, "labels are float64"),
        ({"train_labels": np.eye(30)}, r"labels are float64 of shape \[30, 30\]"),
        ({"test_labels": np.arange(12) % 4}, "test images of class 3, and training images of classes 0 to 2"),
        ({"test": arrays()["test"][:, :1]}, "training images of shape .* and test images of shape"),
        ({"test": arrays()["test"][:0], "test_labels": np.arange(0)}, "a part without samples"),
        ({"train": np.array(["a"] * 30)}, "no array of numbers"),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused(changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        mine(tmp_path, **changes).with_facts()


def test_more_images_than_there_are_cannot_be_asked_for(tmp_path):
    with pytest.raises(InputError, match="30 training images of mine"):
        replace(mine(tmp_path), train_size=31).load()


def test_code_of_ones_own_that_fails_is_named():
    with pytest.raises(UserCodeError, match="The data set mine cannot be read: FileNotFoundError") as caught:
        Mine(file="/nowhere.npz").load()
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (lambda labels: Odd(labels.int()), "labels of a split must be a torch tensor"),
        (lambda labels: Odd(labels.tolist()), "labels of a split must be a torch tensor"),
        (lambda labels: Odd(labels), "float32; they must be uint8"),
    ],
)
def test_a_split_of_ones_own_is_looked_at(split, words):
    class Read(Mine):
        def _read(self):
            return split(torch.arange(4)), split(torch.arange(4))

    with pytest.raises(InputError, match=words):
        Read().load()


class Odd(Split):
    """Neither labels nor images are as they should be."""

    def __init__(self, labels):
        object.__setattr__(self, "labels", labels)

    def take(self, index, view=0):
        return torch.zeros(len(index), 1, 2, 2)


def test_what_is_read_must_be_two_parts(tmp_path):
    class Odd(Mine):
        def _read(self):
            return {1, 2}, {3}

    with pytest.raises(InputError, match="odd reads set; each of its two parts"):
        Odd().load()


@pytest.mark.parametrize("change", [lambda s: s[torch.arange(1, 120)], lambda s: (s.images, s.labels + 1)])
def test_data_that_state_their_counts_are_held_to_them(stripes, change):
    class Other(stripes):
        def _read(self):
            train, test = super()._read()
            return change(train), test

    with pytest.raises(InputError, match=r"The training set of stripes has (\[39, 40, 40\] samples|the label 3)"):
        Other().load()


def test_the_stated_shape_is_compared_too(stripes):
    class Other(stripes):
        def _read(self):
            train, test = super()._read()
            return train, (test.images[:, :, 1:], test.labels)

    with pytest.raises(InputError, match=r"test set .* samples of shape \(3, 7, 8\); \(3, 8, 8\) is stated"):
        Other().load()


def test_a_split_of_ones_own_is_found_out_about_in_parts(tmp_path):
    """Nothing is held in memory but one batch."""
    images = torch.from_numpy(arrays(3000)["train"])
    asked = []

    @dataclass(frozen=True)
    class OnDemand(Split):
        def take(self, index, view=0):
            asked.append(len(index))
            return images[index]

        def _some(self):
            return 700

    class Demanding(Mine):
        def _read(self):
            labels = torch.arange(3000) % 3
            return OnDemand(labels), OnDemand(labels[:10])

    data = Demanding().with_facts()
    assert max(asked) == 700
    assert data.mean == pytest.approx((images.double() / 255).mean((0, 2, 3)).tolist(), abs=5e-5)


def test_a_transformation_and_a_recipe_of_ones_own(cli, tmp_path):
    """Subclasses in a file that is imported are kinds like others."""
    Path(tmp_path / "parts.py").write_text(
        """
from dataclasses import dataclass, replace
from spikedistill import Recipe
from spikedistill.data.transform import Transform
from spikedistill.recipes.digits import scratch

@dataclass(frozen=True)
class Darker(Transform):
    amount: int = 2

    def __call__(self, images, draws):
        return images // (1 + draws.integers(self.amount, "darker"))[:, None, None, None].to(images.dtype)

@dataclass(frozen=True)
class LongRecipe(Recipe):
    note: str = "mine"

darker = replace(scratch, data=replace(scratch.data, augment=(Darker(3),)), epochs=1)
long = LongRecipe(**{**vars(scratch), "epochs": 1, "name": "long"})
"""
    )
    for words in (("digits-scratch", "--epochs", "1"), ("parts.py:darker",), ("parts.py:long",)):
        code, _, said = cli("train", *words, "--import", "parts.py", "--device", "cpu")
        assert code == 0, said
    said = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("runs/*/recipe.json"))]
    assert {"kind": "Darker", "amount": 3} in [one for recipe in said for one in recipe["data"]["augment"]]
