"""Pictures and arrays of one's own, as the command line names them; what is wrong with them is one line."""

import numpy as np
import pytest
import torch
from PIL import Image

from spikedistill.data import Folder, Npz
from spikedistill.data import pictures as room
from spikedistill.data.npz import NAMES
from spikedistill.errors import InputError


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def pets(tmp_path):
    """Two classes, three and two pictures of each; a hidden file that is none."""
    draw = np.random.default_rng(0)
    place = tmp_path / "pets"
    for part, count in (("train", 3), ("test", 2)):
        for name in ("cat", "dog"):
            for k in range(count):
                save(place / part / name / f"{k}.png", draw.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    (place / "train" / "cat" / ".DS_Store").write_bytes(b"?")
    return place


def test_a_folder_per_class(pets):
    data = Folder(path=str(pets)).with_facts()
    assert (data.classes, data.shape, data.train_counts, data.test_counts) == (2, (3, 6, 5), (3, 3), (2, 2))
    assert data.class_names == ("cat", "dog")
    train = data.load().train
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(train.images[4].permute(1, 2, 0), np.asarray(Image.open(pets / "train" / "dog" / "1.png")))


def test_grey_and_one_size(pets):
    save(pets / "train" / "dog" / "9.png", np.full((30, 40, 3), 9, np.uint8))
    data = Folder(path=str(pets), channels="grey", size=4).with_facts()
    assert (data.shape, data.train_counts) == ((1, 4, 4), (3, 4))
    assert data.load().train.images[6].unique().tolist() == [9]


def test_pictures_that_do_not_fit_in_memory_are_decoded_as_read(pets, monkeypatch):
    held = Folder(path=str(pets)).load()
    monkeypatch.setattr(room, "HELD", 0)
    data = Folder(path=str(pets), train_size=4).with_facts()
    splits = data.load()
    assert isinstance(splits.test, room.PictureSplit)
    assert torch.equal(splits.test.take(torch.tensor([3, 0])), held.test.images[[3, 0]])
    assert data.mean == Folder(path=str(pets)).with_facts().mean
    assert len(splits.train) == 4
    save(pets / "test" / "dog" / "1.png", np.zeros((6, 5, 3), np.uint8))
    with pytest.raises(InputError, match="test set of folder has changed"):
        data.load()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda at: (at / "train" / "fox").mkdir(), r"class folder .*train/fox is empty"),
        (lambda at: (at / "test" / "fox").mkdir(), r"test has the class fox, which .*train has not"),
        (lambda at: (at / "train" / "cat" / "x.png").write_bytes(b"GIF89a?"), r"cat/x.png cannot be decoded"),
        (
            lambda at: save(at / "test" / "cat" / "x.png", np.zeros((7, 5, 3), np.uint8)),
            r"7 x 5 .* not 6 x 5.*--data.size",
        ),
        (lambda at: (at / "test").rename(at / "exam"), r"test cannot be looked at: No such file"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(pets, spoil, words):
    spoil(pets)
    with pytest.raises(InputError, match=words) as caught:
        Folder(path=str(pets)).load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [Folder, Npz])
def test_a_place_must_be_named(kind):
    assert not kind().described
    with pytest.raises(InputError, match=r"Name the .*--data.path"):
        kind().load()


def spoil_compressed(path):
    """A file whose compressed bytes make no sense."""
    draw = np.random.default_rng(0)
    np.savez_compressed(path, **dict.fromkeys(NAMES, draw.integers(0, 4, (60, 1, 8, 8), dtype=np.uint8)))
    whole = bytearray(path.read_bytes())
    whole[120:123] = b"\xff\x13\x77"
    path.write_bytes(whole)


def test_arrays(tmp_path):
    draw = np.random.default_rng(0)
    held = {f"{part}_images": draw.integers(0, 256, (6, 1, 4, 4), dtype=np.uint8) for part in ("train", "test")}
    held |= {f"{part}_labels": np.arange(6) % 3 for part in ("train", "test")}
    np.savez(tmp_path / "mine.npz", **held)
    data = Npz(path=str(tmp_path / "mine.npz")).with_facts()
    assert (data.classes, data.shape, data.train_counts) == (3, (1, 4, 4), (2, 2, 2))
    assert np.array_equal(data.load().test.images, held["test_images"])


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (
            lambda at: np.savez(at, train_images=np.zeros(3)),
            "lacks train_labels, test_images, test_labels; it holds train_im",
        ),
        (lambda at: at.write_bytes(b"PK\x03\x04 and no more"), "cannot be read as a file of numpy.savez"),
        (lambda at: at.write_bytes(b""), "cannot be read as a file of numpy.savez"),
        (lambda at: at.mkdir(), "cannot be read as a file of numpy.savez"),
        (lambda at: spoil_compressed(at), "cannot be read as a file of numpy.savez: .* decompressing"),
        (lambda at: (at.parent / "one.npy").rename(at), "holds one array"),
        (
            lambda at: np.savez(
                at, **dict.fromkeys(("train_images", "train_labels", "test_images", "test_labels"), np.array([{}]))
            ),
            "numpy.savez: Object arrays",
        ),
    ],
)
def test_what_is_wrong_with_arrays_is_named(tmp_path, write, words):
    np.save(tmp_path / "one.npy", np.zeros(3))
    write(tmp_path / "mine.npz")
    with pytest.raises(InputError, match=words):
        Npz(path=str(tmp_path / "mine.npz")).load()


def test_both_are_named_on_the_command_line(cli, pets, tmp_path):
    words = (
        "train",
        "digits-scratch",
        "--data.path",
        str(pets),
        "--data",
        "folder",
        "--data.size",
        "8",
        "--epochs",
        "1",
    )
    code, _, said = cli(*words, "--batch-size", "3", "--device", "cpu")
    assert code == 0, said
    code, _, said = cli("train", "digits-scratch", "--data", "npz", "--device", "cpu")
    assert (code, "--data.path FILE.npz" in said) == (2, True)
    code, out, said = cli("list", "data")
    assert code == 0, said
    assert "folder" in out
