import gzip
import os
import re

import numpy as np
import pytest
import torch

from spikedistill.data.mnist import read_idx
from spikedistill.errors import InputError

LABELS = "train-labels-idx1-ubyte.gz"
IMAGES = "train-images-idx3-ubyte.gz"
LABELS_HEADER = bytes([0, 0, 8, 1, 0, 0, 0, 30])


@pytest.mark.parametrize("zipped", [True, False])
def test_reads_what_was_written(tmp_path, small, write_small, zipped):
    arrays = write_small(tmp_path / "MNIST" / "raw", zipped)
    splits = small(root=str(tmp_path)).load()
    for split, part in ((splits.train, "train"), (splits.test, "t10k")):
        assert torch.equal(split.images[:, 0], torch.from_numpy(arrays[f"{part}-images-idx3-ubyte"]))
        assert split.labels.tolist() == arrays[f"{part}-labels-idx1-ubyte"].tolist()
        assert split.labels.dtype == torch.int64


def test_the_variable_names_the_root_where_the_field_does_not(small, small_root, monkeypatch):
    monkeypatch.setenv("SPIKEDISTILL_DATA", str(small_root))
    assert len(small().load().train) == 30


def truncated(path):
    path.write_bytes(path.read_bytes()[:-20])


def not_gzip(path):
    path.write_bytes(b"<html>Not found</html>")


def damaged(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def a_folder(path):
    path.unlink()
    path.mkdir()


def rewrite(change):
    def spoil(path):
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))

    return spoil


@pytest.mark.parametrize("name", [LABELS, IMAGES])
@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (truncated, "Unreadable"),
        (not_gzip, "Unreadable"),
        (damaged, "Unreadable|classes|Label"),
        (empty, "header"),
        (a_folder, "Unreadable"),
        (rewrite(lambda data: b"\0\0\x0d" + data[3:]), "header is 00000d"),
        (rewrite(lambda data: data[:7] + b"\x1d" + data[8:]), "header"),
        (rewrite(lambda data: data[:-1]), "expected"),
        (rewrite(lambda data: data + b"\0"), "more values"),
        (rewrite(lambda data: data[:3]), "header"),
    ],
)
def test_damaged_files_are_named(small, small_root, name, spoil, found):
    path = small_root / "MNIST" / "raw" / name
    spoil(path)
    if spoil is damaged and name == IMAGES:
        found = "Unreadable"
    with pytest.raises(InputError, match=found) as caught:
        small(root=str(small_root)).load()
    assert str(path) in str(caught.value)
    assert "delete" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda labels: np.where(np.arange(30) == 7, 10, labels), "Label 10; labels are 0 to 9"),
        (lambda labels: np.where(labels == 4, 5, labels), re.escape("[3, 3, 3, 3, 0, 6, 3, 3, 3, 3]")),
    ],
)
def test_wrong_labels_are_told(small, small_root, change, found):
    path = small_root / "MNIST" / "raw" / LABELS
    labels = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=8)
    path.write_bytes(gzip.compress(LABELS_HEADER + change(labels).astype(np.uint8).tobytes()))
    with pytest.raises(InputError, match=found) as caught:
        small(root=str(small_root)).load()
    assert LABELS in str(caught.value)


def test_a_file_that_unpacks_to_far_more_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as file:
        file.write(bytes([0, 0, 8, 1, 0, 0, 0, 10]))
        for _ in range(100):
            file.write(bytes(1 << 20))
    with pytest.raises(InputError, match="more values after the header; expected 10"):
        read_idx(path, (10,))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_pipe_is_not_waited_for(small, small_root, suffix):
    path = small_root / "MNIST" / "raw" / f"train-images-idx3-ubyte{suffix}"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(InputError, match="no regular file"):
        small(root=str(small_root)).load()
