import hashlib
import os
import pickle
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from spikedistill.data.cifar10 import CIFAR10
from spikedistill.errors import InputError


class Small(CIFAR10):
    """CIFAR-10 with 100 and 20 images."""

    name = "small-cifar10"
    train_counts = (10,) * 10
    test_counts = (2,) * 10


class Run:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def write_small(folder, protocol=2):
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    batches = {}
    for name in (*CIFAR10.train_files, *CIFAR10.test_files):
        labels = generator.permutation(np.repeat(np.arange(10), 2)).tolist()
        images = generator.integers(0, 256, (20, 3072), dtype=np.uint8)
        batches[name] = {b"data": images, b"labels": labels, b"batch_label": b"a batch", b"filenames": [b"a.png"] * 20}
        (folder / name).write_bytes(pickle.dumps(batches[name], protocol))
    return batches


@pytest.fixture
def root(tmp_path):
    write_small(tmp_path / CIFAR10.folder)
    return tmp_path


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_reads_what_was_written(tmp_path, protocol):
    batches = write_small(tmp_path / CIFAR10.folder, protocol)
    splits = Small(root=str(tmp_path)).load()
    expected = np.concatenate([batches[name][b"data"] for name in CIFAR10.train_files]).reshape(100, 3, 32, 32)
    assert np.array_equal(splits.train.images, expected)
    assert splits.train.labels.tolist() == [label for name in CIFAR10.train_files for label in batches[name][b"labels"]]
    assert splits.test.images.shape == (20, 3, 32, 32)


def test_grey_is_pillows(root):
    colour, grey = Small(root=str(root)).load(), Small(root=str(root), channels="grey")
    images = grey.load().train.images
    assert images.shape[1:] == grey.shape == (1, 32, 32)
    for k, image in enumerate(colour.train.images):
        assert np.array_equal(images[k, 0], np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")))


def test_unknown_channels():
    data = CIFAR10()
    object.__setattr__(data, "channels", "gray")
    with pytest.raises(InputError, match="Did you mean 'grey'"):
        data.__post_init__()


def contents(change):
    def spoil(path):
        value = pickle.loads(path.read_bytes())
        path.write_bytes(pickle.dumps(change(value), 2))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "Unreadable"),
        (lambda path: path.write_bytes(b""), "Unreadable"),
        (lambda path: path.write_bytes(b"<html>"), "Unreadable"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"ndarray", b"ndarroy")), "numpy.ndarroy"),
        (contents(lambda value: [value]), "list"),
        (contents(lambda value: {b"labels": value[b"labels"]}), "'data' is missing"),
        (contents(lambda value: {**value, b"data": value[b"data"][:, :1024]}), r"uint8 of shape \(20, 1024\)"),
        (contents(lambda value: {**value, b"data": value[b"data"].astype(np.float32)}), "float32"),
        (contents(lambda value: {**value, b"labels": value[b"labels"][:19]}), "a list of 19"),
        (contents(lambda value: {**value, b"labels": ["cat"] * 20}), "whole numbers"),
        (contents(lambda value: {**value, b"labels": [2**70] * 20}), "whole numbers"),
        (contents(lambda value: {**value, b"labels": [-1, *value[b"labels"][1:]]}), "Label -1; labels are 0 to 9"),
        (contents(lambda value: {**value, b"labels": [3] * 20}), r"samples; the published ones have \[2, 2"),
    ],
)
def test_damaged_files_are_named(root, spoil, found):
    path = root / CIFAR10.folder / "test_batch"
    spoil(path)
    with pytest.raises(InputError, match=found) as caught:
        Small(root=str(root)).load()
    assert str(path) in str(caught.value)


def test_a_malicious_file_runs_nothing(root, tmp_path):
    target = tmp_path / "owned"
    (root / CIFAR10.folder / "data_batch_3").write_bytes(pickle.dumps({b"data": Run(target)}, 2))
    with pytest.raises(InputError, match=r"data_batch_3"):
        Small(root=str(root)).load()
    assert not target.exists()


def test_the_archive_is_downloaded_and_only_its_batches_are_kept(tmp_path):
    network = tmp_path / "network"
    write_small(network / CIFAR10.folder)
    (network / CIFAR10.folder / "readme.html").write_text("")
    archive = network / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(network / CIFAR10.folder, CIFAR10.folder)

    class Published(Small):
        address = archive.as_uri()
        checksum = hashlib.md5(archive.read_bytes()).hexdigest()

    root = tmp_path / "root"
    assert torch.equal(Published(root=str(root)).load().train.images, Small(root=str(network)).load().train.images)
    expected = sorted([*CIFAR10.train_files, *CIFAR10.test_files])
    assert sorted(path.name for path in (root / CIFAR10.folder).iterdir()) == expected
    assert [path.name for path in root.iterdir()] == [CIFAR10.folder]


def test_without_a_network_the_message_says_which_files_go_where(tmp_path):
    class Unreachable(Small):
        address = "http://127.0.0.1:9/cifar-10-python.tar.gz"

    with pytest.raises(InputError, match="data_batch_5, test_batch into") as caught:
        Unreachable(root=str(tmp_path)).load()
    assert str(tmp_path / "cifar-10-batches-py") in str(caught.value)


def test_a_file_that_is_too_large_or_no_file_is_not_read(root):
    """Not a byte: one has 2^40 bytes of nothing, the other is a pipe that nobody writes to."""
    path = root / CIFAR10.folder / "test_batch"
    os.truncate(path, 2**40)
    with pytest.raises(InputError, match="Unreadable: OSError: 1099511627776 bytes"):
        Small(root=str(root)).load()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="no regular file"):
        Small(root=str(root)).load()
