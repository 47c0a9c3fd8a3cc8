"""ImageNet and Tiny-ImageNet in their published layouts; the published files are not at hand, and are made up here."""

import hashlib
import os
import shutil
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from spikedistill.data import Flip, ImageNet, ResizedCrop, TinyImageNet
from spikedistill.data.pictures import PictureSplit
from spikedistill.errors import InputError

FEW = """
from dataclasses import dataclass, replace
from typing import ClassVar
from spikedistill.data import ImageNet

@dataclass(frozen=True)
class Few(ImageNet):
    name: ClassVar[str] = "few"
    classes: ClassVar[int] = 3
    train_counts: ClassVar[tuple[int, ...]] = (3, 2, 2)
    test_counts: ClassVar[tuple[int, ...]] = (1, 1, 1)

    @property
    def shape(self):
        return (3, 32, 32)

    def _split(self, part, classes):
        split = super()._split(part, classes)
        return replace(split, fit=replace(split.fit, height=32, width=32))
"""
WNIDS = ("n01443537", "n01629819", "n02124075")


@dataclass(frozen=True)
class FewTiny(TinyImageNet):
    """Three classes of four and two pictures."""

    name: ClassVar[str] = "few-tiny"
    classes: ClassVar[int] = 3
    train_counts: ClassVar[tuple[int, ...]] = (4,) * 3
    test_counts: ClassVar[tuple[int, ...]] = (2,) * 3


@dataclass(frozen=True)
class ImageNetOfAFew(ImageNet):
    """Three classes of two and one pictures, of which the sum alone is stated."""

    name: ClassVar[str] = "few-imagenet"
    classes: ClassVar[int] = 3
    train_counts: ClassVar[tuple[int, ...]] = (3, 2, 2)
    test_counts: ClassVar[tuple[int, ...]] = (1,) * 3


def save(path, shape, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path, quality=95)


@pytest.fixture
def tiny(tmp_path):
    """Grey levels tell class and number; one picture has a single channel, as some of the published ones do."""
    place = tmp_path / FewTiny.folder
    for k, wnid in enumerate(WNIDS):
        for number in range(4):
            shape = (64, 64) if number == 3 else (64, 64, 3)
            save(place / "train" / wnid / "images" / f"{wnid}_{number}.JPEG", shape, 50 * k + 10 * number)
        (place / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t62\t62\n")
    order = [2, 0, 1, 0, 2, 1]
    for number in range(len(order)):
        save(place / "val" / "images" / f"val_{number}.JPEG", (64, 64, 3), 200 + number)
    rows = [f"val_{number}.JPEG\t{WNIDS[k]}\t0\t32\t44\t62\n" for number, k in enumerate(order)]
    (place / "val" / "val_annotations.txt").write_text("".join(rows))
    (place / "wnids.txt").write_text("\n".join(WNIDS[k] for k in (2, 0, 1)))
    (place / "words.txt").write_text("n02124075\tEgyptian cat\nn01443537\tgoldfish, Carassius auratus\n")
    save(place / "test" / "images" / "test_0.JPEG", (64, 64, 3), 0)
    return place


def test_tiny_imagenet(tiny):
    data = FewTiny(root=str(tiny.parent))
    splits = data.load()
    assert splits.train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    levels = splits.train.images.double().mean((1, 2, 3)).round().int().tolist()
    assert levels == [50 * k + 10 * number for k in range(3) for number in range(4)]
    assert splits.test.labels.tolist() == [2, 0, 1, 0, 2, 1]
    assert splits.test.images.double().mean((1, 2, 3)).round().int().tolist() == list(range(200, 206))
    assert data.class_names == ("goldfish", "n01629819", "Egyptian cat")
    assert len(replace(data, train_size=3, validation=3).load().validation) == 3


def test_what_is_published_is_stated_and_nothing_is_read():
    for data, train, test, shape in (
        (TinyImageNet(root="/nowhere"), 100_000, 10_000, (3, 64, 64)),
        (ImageNet(root="/nowhere", augment=(ResizedCrop(), Flip())), 1_281_167, 50_000, (3, 224, 224)),
    ):
        assert data.described
        assert (sum(data.train_counts), sum(data.test_counts), data.shape) == (train, test, shape)
        assert len(data.train_counts) == len(data.test_counts) == data.classes
        assert data.class_names == ()
        assert len(data.mean) == len(data.std) == 3


def test_recipes_are_rehearsed_without_files(cli):
    for words in (("--data", "tiny-imagenet", "--data.augment", "crop,flip"), ("--data", "tiny-imagenet")):
        code, _, said = cli("train", "digits-scratch", *words, "--data.root", "/nowhere", "--device", "cpu", "--check")
        assert code == 0, said


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda at: (at / "wnids.txt").unlink(), r"lacks wnids\.txt"),
        (lambda at: (at / "wnids.txt").write_text("n01443537"), r"wnids\.txt names 1 classes; the published one 3"),
        (
            lambda at: (at / "train" / WNIDS[1] / "images" / f"{WNIDS[1]}_0.JPEG").unlink(),
            rf"{WNIDS[1]}/images has 3 pictures; the published folder has 4",
        ),
        (lambda at: shutil.rmtree(at / "train" / WNIDS[0] / "images"), r"images cannot be looked at: No such file"),
        (
            lambda at: [path.unlink() for path in (at / "train" / WNIDS[0] / "images").iterdir()],
            r"The class folder .*images is empty",
        ),
        (
            lambda at: (at / "train" / WNIDS[0] / "images" / f"{WNIDS[0]}_2.JPEG").write_bytes(b"\xff\xd8 no more"),
            rf"{WNIDS[0]}_2\.JPEG cannot be decoded as a picture",
        ),
        (
            lambda at: save(at / "val" / "images" / "val_1.JPEG", (60, 64, 3), 0),
            r"val_1\.JPEG is 60 x 64 .* not 64 x 64",
        ),
        (
            lambda at: (at / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn9\t0\t0\t1\t1\n"),
            r"Line 1 of .*val_annotations\.txt is not a picture's name and a class",
        ),
        (
            lambda at: (at / "val" / "val_annotations.txt").write_text(f"../../x.JPEG\t{WNIDS[0]}\n"),
            r"Line 1 of .*val_annotations\.txt is not a picture's name",
        ),
        (
            lambda at: (at / "val" / "val_annotations.txt").write_text(f"val_0.JPEG\t{WNIDS[0]}\n" * 6),
            r"test set of few-tiny has \[6, 0, 0\] samples",
        ),
        (lambda at: (at / "val" / "val_annotations.txt").write_bytes(b"\xff\xfe"), "cannot be read: it is no text"),
    ],
)
def test_what_is_wrong_with_tiny_imagenet_is_named(tiny, spoil, words):
    spoil(tiny)
    with pytest.raises(InputError, match=words) as caught:
        FewTiny(root=str(tiny.parent)).load()
    assert "\n" not in str(caught.value)


def test_tiny_imagenet_is_downloaded(tiny, tmp_path):
    shutil.make_archive(str(tmp_path / "published"), "zip", tiny.parent, tiny.name)

    class Published(FewTiny):
        address = (tmp_path / "published.zip").as_uri()
        checksum = hashlib.md5((tmp_path / "published.zip").read_bytes()).hexdigest()

    root = tmp_path / "new"
    splits = Published(root=str(root)).load()
    assert torch.equal(splits.test.images, FewTiny(root=str(tiny.parent)).load().test.images)
    assert sorted(path.name for path in (root / FewTiny.folder).iterdir()) == ["train", "val", "wnids.txt", "words.txt"]

    class Unreachable(FewTiny):
        address = "http://127.0.0.1:9/tiny.zip"

    with pytest.raises(InputError, match=r"could not be downloaded: .* Put wnids\.txt, train, val/images, val/val_ann"):
        Unreachable(root=str(tmp_path / "other")).load()


@pytest.fixture
def large(tmp_path):
    """Pictures of other sizes than are read; seven to train on, three to test on."""
    place = tmp_path / "imagenet"
    for k, wnid in enumerate(WNIDS):
        for number in range(3 if k == 1 else 2):
            save(place / "train" / wnid / f"{wnid}_{number}.JPEG", (250 + 10 * k, 300, 3), 50 * k + 10 * number)
        save(place / "val" / wnid / f"ILSVRC2012_val_{k:08}.JPEG", (300, 240, 3), 200 + k)
    return place


def test_imagenet_stays_in_its_files(large):
    data = ImageNetOfAFew(root=str(large.parent), augment=(ResizedCrop(), Flip()))
    splits = data.load()
    assert isinstance(splits.train, PictureSplit)
    assert splits.train.labels.tolist() == [0, 0, 1, 1, 1, 2, 2]
    images = splits.train.take(torch.tensor([6, 2]))
    assert images.shape == (2, 3, 224, 224)
    assert images.double().mean((1, 2, 3)).round().int().tolist() == [110, 50]
    assert splits.test.first(3).double().mean((1, 2, 3)).round().int().tolist() == [200, 201, 202]
    assert data.class_names == WNIDS
    shown = data.augmented(splits.train, 0).take(torch.tensor([6, 2]), 3)
    assert shown.double().mean((1, 2, 3)).round().int().tolist() == [110, 50]
    part = replace(data, validation=3, train_size=3).load()
    assert (len(part.train), len(part.validation), part.train.shape) == (3, 3, (3, 224, 224))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda at: shutil.rmtree(at),
            r"imagenet/train cannot be looked at: No such file .*should hold a folder per cl",
        ),
        (lambda at: shutil.rmtree(at / "val" / WNIDS[0]), r"val holds 2 folders; the published classes are 3"),
        (
            lambda at: (at / "val" / WNIDS[0]).rename(at / "val" / "n0"),
            r"have other classes: n0 is in one",
        ),
        (
            lambda at: (at / "train" / WNIDS[0] / f"{WNIDS[0]}_0.JPEG").unlink(),
            "has 6 pictures; the published 7 are of",
        ),
        (
            lambda at: save(at / "val" / WNIDS[0] / "x.JPEG", (300, 240, 3), 0),
            r"test set of few-imagenet has \[2, 1, 1\]",
        ),
        (
            lambda at: [path.unlink() for path in (at / "train" / WNIDS[2]).iterdir()],
            r"class folder .*n02124075 is empty",
        ),
    ],
)
def test_what_is_wrong_with_imagenet_is_named(large, spoil, words):
    spoil(large)
    with pytest.raises(InputError, match=words) as caught:
        ImageNetOfAFew(root=str(large.parent)).load()
    assert "\n" not in str(caught.value)


def test_a_picture_that_cannot_be_decoded_ends_a_training_in_a_line(large, cli, tmp_path):
    """It is found when it is read: nothing has looked at it before."""
    path = large / "train" / WNIDS[1] / f"{WNIDS[1]}_1.JPEG"
    path.write_bytes(path.read_bytes()[:200])
    (tmp_path / "few.py").write_text(FEW)
    words = ("train", "digits-scratch", "--import", "few.py", "--data", "few", "--data.root", str(large.parent))
    code, _, said = cli(
        *words, "--epochs", "1", "--batch-size", "7", "--device", "cpu", "--data.augment", "resized-crop"
    )
    assert (code, "_1.JPEG cannot be decoded as a picture" in said) == (2, True), said
    assert "Traceback" not in said


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("SPIKEDISTILL_DATA"), reason="SPIKEDISTILL_DATA is not set")
@pytest.mark.parametrize("data", [TinyImageNet(), ImageNet()], ids=lambda data: data.name)
def test_published_files(data):
    from spikedistill.data.files import data_root

    if not (data_root(data.root) / data.folder).is_dir():
        pytest.skip(f"{data.folder} is not there")
    splits = data.load()
    assert len(splits.test) == sum(data.test_counts)
    assert splits.train.first(2).shape == (2, *data.shape)
