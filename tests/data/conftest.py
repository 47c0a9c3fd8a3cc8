import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from spikedistill.data.mnist import MNIST


class Small(MNIST):
    """MNIST with 30 and 20 images."""

    name = "small-mnist"
    train_counts = (3,) * 10
    test_counts = (2,) * 10


def idx(values: np.ndarray) -> bytes:
    """The IDX format, as its description has it."""
    sizes = b"".join(int(size).to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


def write_small(folder: Path, zipped: bool = True) -> dict[str, np.ndarray]:
    """Four files of `Small`'s size, in random order."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 3), ("t10k", 2)):
        labels = generator.permutation(np.repeat(np.arange(10, dtype=np.uint8), count))
        arrays[f"{part}-labels-idx1-ubyte"] = labels
        arrays[f"{part}-images-idx3-ubyte"] = generator.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
    for name, values in arrays.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(values), mtime=0))
        else:
            (folder / name).write_bytes(idx(values))
    return arrays


@pytest.fixture(name="small")
def small_fixture():
    """The class `Small`."""
    return Small


@pytest.fixture(name="write_small")
def write_small_fixture():
    """The function `write_small`."""
    return write_small


@pytest.fixture
def small_root(tmp_path):
    """A root with the files of `Small`."""
    write_small(tmp_path / "MNIST" / "raw")
    return tmp_path


@pytest.fixture
def published(tmp_path):
    """`Small` with its files published in a folder that stands for the network."""
    place = tmp_path / "network"
    write_small(place)

    class Published(Small):
        address = place.as_uri() + "/"
        checksums = tuple(hashlib.md5((place / f"{name}.gz").read_bytes()).hexdigest() for name in MNIST.files)

    return Published
