"""CIFAR-100 is read like CIFAR-10, with its fine labels; no published file is at hand."""

import pickle

import numpy as np
import pytest

from spikedistill.data import CIFAR100, Dataset
from spikedistill.errors import InputError
from spikedistill.values.kinds import kinds


class Small(CIFAR100):
    """CIFAR-100 with 200 and 100 images."""

    train_counts = (2,) * 100
    test_counts = (1,) * 100


@pytest.fixture
def written(tmp_path):
    """Its root and the entries of its files, which are those of the published ones."""
    folder = tmp_path / CIFAR100.folder
    folder.mkdir()
    draw = np.random.default_rng(0)
    entries = {}
    for part, count in (("train", 2), ("test", 1)):
        fine = draw.permutation(np.repeat(np.arange(100), count)).tolist()
        entries[part] = {
            b"data": draw.integers(0, 256, (100 * count, 3072), dtype=np.uint8),
            b"fine_labels": fine,
            b"coarse_labels": [label // 5 for label in fine],
            b"filenames": [b"a.png"] * len(fine),
            b"batch_label": part.encode(),
        }
        (folder / part).write_bytes(pickle.dumps(entries[part], 2))
    return tmp_path, entries


def test_fine_labels_and_pixels(written):
    root, entries = written
    splits = Small(root=str(root)).load()
    for part, split in (("train", splits.train), ("test", splits.test)):
        assert np.array_equal(split.images, entries[part][b"data"].reshape(-1, 3, 32, 32))
        assert split.labels.tolist() == entries[part][b"fine_labels"]


def test_what_is_missing_is_named(written):
    root, entries = written
    del entries["test"][b"fine_labels"]
    (root / CIFAR100.folder / "test").write_bytes(pickle.dumps(entries["test"], 2))
    with pytest.raises(InputError, match="'fine_labels' is missing"):
        Small(root=str(root)).load()


def test_the_base_is_no_kind():
    assert "CifarDataset" not in kinds(Dataset)
    assert sum(CIFAR100.train_counts) == 50000
