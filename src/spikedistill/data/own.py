"""Data sets of one's own: write how they are read, and what they are like is found out once and kept.

    @dataclass(frozen=True)
    class Mine(OwnDataset):
        file: str = "mine.npz"

        def _read(self):
            arrays = np.load(self.file)
            return (arrays["train_images"], arrays["train_labels"]), (arrays["test_images"], arrays["test_labels"])

Images are uint8 [N, C, H, W], or frames [N, T, C, H, W]; labels are whole numbers from 0. Instead of a pair of arrays
each part can be a `spikedistill.data.Split`, which reads what it is asked for.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch

from spikedistill.data.checked import to_split
from spikedistill.data.dataset import Dataset
from spikedistill.data.split import Split, Splits
from spikedistill.errors import InputError, UserCodeError

MOST_CLASSES = 10**6


@dataclass(frozen=True)
class Facts:
    """What data are like."""

    train_counts: tuple[int, ...]
    """Training samples of each class."""
    test_counts: tuple[int, ...]
    """Test samples of each class."""
    shape: tuple[int, ...]
    """Of a sample: (C, H, W), or (T, C, H, W) for frames."""
    mean: tuple[float, ...]
    """Per channel, of all training samples scaled to [0, 1]; to four digits."""
    std: tuple[float, ...]
    """Standard deviation, likewise; 1 where it is 0."""
    train_digest: str
    """SHA-256 of samples and labels; see `Split.digest`."""
    test_digest: str
    """Likewise."""


@dataclass(frozen=True)
class OwnDataset(Dataset):
    """Base of data sets of one's own. What follows is a frozen dataclass with `_read`, and a `name` if it likes."""

    abstract: ClassVar[bool] = True

    facts: Facts | None = field(default=None, kw_only=True)
    """What the data are like: found when a run starts, kept in its recipe, and checked whenever they are loaded."""

    def __init_subclass__(cls) -> None:
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()

    @property
    def described(self) -> bool:
        """See `Dataset.described`."""
        return self.facts is not None

    def with_facts(self) -> "OwnDataset":
        """Return the data set with what its data are like; itself where it has that. Reads all of the data.

        Raises:
            InputError: the data are not what data must be, or too few for what the fields ask for.
        """
        return self if self.facts else replace(self, facts=find_facts(*self._splits(), self.name))

    @property
    def train_counts(self) -> tuple[int, ...]:
        """See `Dataset.train_counts`."""
        return self._facts().train_counts

    @property
    def test_counts(self) -> tuple[int, ...]:
        """See `Dataset.test_counts`."""
        return self._facts().test_counts

    @property
    def shape(self) -> tuple[int, int, int]:
        """See `Dataset.shape`."""
        channels, height, width = self._facts().shape[-3:]
        return channels, height, width

    @property
    def steps(self) -> int | None:
        """See `Dataset.steps`."""
        shape = self._facts().shape
        return shape[0] if len(shape) == 4 else None

    @property
    def mean(self) -> tuple[float, ...]:
        """See `Dataset.mean`."""
        return self._facts().mean

    @property
    def std(self) -> tuple[float, ...]:
        """See `Dataset.std`."""
        return self._facts().std

    def load(self) -> Splits:
        """See `Dataset.load`. Raises InputError, too, where the data have changed since their facts were found."""
        if self.facts is None:
            return self.with_facts().load()
        return super().load()

    def _facts(self) -> Facts:
        facts = self.with_facts().facts
        assert facts is not None
        return facts

    def _splits(self) -> tuple[Split, Split]:
        train, test = (to_split(part, self.name) for part in self._read_both())
        return train, test

    def _read_both(self) -> tuple[Any, Any]:
        try:
            train, test = self._read()
        except InputError:
            raise
        except (Exception, SystemExit) as error:  # whatever code of one's own raises
            raise UserCodeError(f"The data set {self.name} cannot be read: {type(error).__name__}: {error}") from error
        return train, test

    def check_read(self, train: Split, test: Split) -> None:
        """See `Dataset.check_read`: raises InputError where the data are others than when their facts were found."""
        facts = self._facts()
        for what, split, counts, digest in (
            ("training", train, facts.train_counts, facts.train_digest),
            ("test", test, facts.test_counts, facts.test_digest),
        ):
            now, changed = padded(count(split, self.name), len(counts)), ""
            if now != counts:
                changed = f"{list(counts)} samples of the classes then, {list(now)} now"
            elif split.shape != facts.shape:
                changed = f"samples of shape {facts.shape} then, {split.shape} now"
            elif split.digest() != digest:
                changed = "as many samples, with other pixels or labels or in another order"
            if changed:
                raise InputError(
                    f"The {what} set of {self.name} has changed since this recipe was first run: {changed}. Bring the "
                    "old data back; or start anew with a recipe that states no facts."
                )


def find_facts(train: Split, test: Split, name: str) -> Facts:
    """Return what data are like. Raises InputError where they are not what data must be."""
    train_counts, test_counts = count(train, name), count(test, name)
    if not all(train_counts):
        raise InputError(
            f"{name} has no training image of class {train_counts.index(0)}; labels are 0 to K - 1, and each class has "
            "some."
        )
    if len(test_counts) > len(train_counts):
        raise InputError(
            f"{name} has test images of class {len(test_counts) - 1}, and training images of classes 0 to "
            f"{len(train_counts) - 1}."
        )
    if train.shape != test.shape:
        raise InputError(f"{name} has training images of shape {train.shape} and test images of shape {test.shape}.")
    test_counts = padded(test_counts, len(train_counts))
    return Facts(train_counts, test_counts, train.shape, *statistics(train), train.digest(), test.digest())


def count(split: Split, name: str) -> tuple[int, ...]:
    """Return the samples of each class. Raises InputError where there are none, or labels are absurd."""
    if not len(split):
        raise InputError(f"{name} has a part without samples. Give each of its two parts some.")
    low, high = int(split.labels.min()), int(split.labels.max())
    if low < 0 or high >= MOST_CLASSES:
        raise InputError(f"{name} has the label {low if low < 0 else high}; labels are 0 to K - 1 for K classes.")
    return tuple(torch.bincount(split.labels).tolist())


def padded(counts: tuple[int, ...], classes: int) -> tuple[int, ...]:
    """Return the counts with zeros for classes after the last that is there."""
    return counts + (0,) * (classes - len(counts))


def statistics(split: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of samples scaled to [0, 1], to four digits.

    Sums are of whole numbers: they are the same on every machine.
    """
    channels = split.shape[-3]
    number = 0
    total, squares = (torch.zeros(channels, dtype=torch.int64) for _ in range(2))
    for batch in split.in_order():
        values = batch.images.cpu().reshape(-1, *split.shape[-3:]).flatten(2).to(torch.int32)
        number += values.shape[0] * values.shape[2]
        total += values.sum((0, 2), dtype=torch.int64)
        squares += (values * values).sum((0, 2), dtype=torch.int64)
    mean = total.double() / number
    variance = (squares.double() / number - mean.square()).clamp_min(0)
    deviations = [round(value / 255, 4) for value in variance.sqrt().tolist()]
    return tuple(round(value / 255, 4) for value in mean.tolist()), tuple(value or 1.0 for value in deviations)
