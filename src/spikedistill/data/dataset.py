"""What every data set is: a value that says which samples and which augmentation, and loads them as uint8 splits.

Those of this library state what is published of them. One of your own is below `spikedistill.data.own.OwnDataset`,
which finds that out.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from spikedistill.data.augment import Augment
from spikedistill.data.checked import check_content, to_split
from spikedistill.data.split import Split, Splits
from spikedistill.data.subset import balanced, proportional, rest
from spikedistill.data.transform import Augmented, Transform
from spikedistill.errors import InputError
from spikedistill.values.checks import check_count

__all__ = ["Augment", "Dataset"]

MOST = 10**9
"""Images; more is absurd."""


@dataclass(frozen=True)
class Dataset:
    """Base of all data sets."""

    abstract: ClassVar[bool] = True

    name: ClassVar[str]
    """On the command line."""

    root: str = field(default="", metadata={"place": True})
    """Folder that holds the published files; where empty, SPIKEDISTILL_DATA, or else ~/.cache/spikedistill/data. Says
    where, not what: not in the hash."""
    train_size: int = 0
    """Number of training images to keep, the same number of each class where possible; 0 keeps all."""
    validation: int = 0
    """Number of training images to hold out as a validation split, before `train_size` is applied."""
    augment: tuple[Transform, ...] = ()
    """What is done to the training images, in this order; `Augment(crop=4, flip=True)` makes the usual tuple."""

    def __post_init__(self) -> None:
        check_count(self, "train_size", "validation", low=0, high=MOST)
        if self.described:
            self.check_fields()

    @property
    def described(self) -> bool:
        """Whether counts, shape and statistics are known before anything is read."""
        return True

    def with_facts(self) -> "Dataset":
        """Return the data set with what has to be found out about it; itself where that is known.

        Raises:
            InputError: see `load`.
        """
        return self

    def without_files(self) -> "Dataset":
        """Return the data set so that random samples of its shape can be made; itself where that needs no files."""
        return self

    def without_noise(self) -> "Dataset":
        """Return the data set without the noise that it adds to other images, those in its order; itself elsewhere."""
        return self

    @property
    def train_counts(self) -> tuple[int, ...]:
        """Training samples of each class, before any are left out or held out."""
        raise NotImplementedError

    @property
    def test_counts(self) -> tuple[int, ...]:
        """Test samples of each class."""
        raise NotImplementedError

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.train_counts)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called, in the order of the labels; empty where they have no names."""
        return ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        raise NotImplementedError

    @property
    def steps(self) -> int | None:
        """T of data that are frames, which is then the T of every recipe on them; None for images."""
        return None

    @property
    def mean(self) -> tuple[float, ...]:
        """Per channel, of all training images scaled to [0, 1]."""
        raise NotImplementedError

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation, likewise."""
        raise NotImplementedError

    def load(self) -> Splits:
        """Read, check and split.

        Which images are held out and kept depends on the order of the files and on nothing else, not on the recipe's
        seed: all seeds of an experiment see the same data. The held-out images have the class shares of the whole;
        the kept ones keep their order.

        Raises:
            InputError: files are missing and cannot be downloaded, are damaged, or are not what they should be.
        """
        train, test = (to_split(part, self.name) for part in self._read_both())
        self.check_read(train, test)
        validation = None
        if self.validation:
            held_out = proportional(train.labels, self.validation)
            validation, train = train[held_out], train[rest(held_out, len(train))]
        if self.train_size:
            train = train[balanced(train.labels, self.train_size)]
        return Splits(train, validation, test)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Of a sample of a split: (C, H, W), or (T, C, H, W) for frames."""
        return self.shape if self.steps is None else (self.steps, *self.shape)

    def augmented(self, split: Split, seed: int) -> Split:
        """Return a split whose views are augmented; `split` itself where there is no augmentation.

        Args:
            split: Of the training images.
            seed: Of the augmentation.

        Raises:
            InputError: a transformation does not fit the images.
        """
        transforms = self._fitted()
        return Augmented(split.labels, split, transforms, seed) if transforms else split

    def check_fields(self) -> None:
        """Raise InputError where the fields ask for what these data do not have."""
        everything = sum(self.train_counts)
        for name in ("train_size", "validation"):
            if getattr(self, name) > everything:
                raise InputError(
                    f"{name} is {getattr(self, name)}; it is a number of images from 0 to the {everything} training "
                    f"images of {self.name}."
                )
        if self.validation + max(self.train_size, 1) > everything:
            raise InputError(
                f"validation is {self.validation} and train_size {self.train_size or 'all the rest'}; together they "
                f"take more than the {everything} training images of {self.name}. Lower one of them."
            )
        self._fitted()

    def check_read(self, train: Split, test: Split) -> None:
        """Raise InputError where what was read is not what is stated."""
        check_content(train, self.train_counts, self.sample_shape, f"The training set of {self.name}")
        check_content(test, self.test_counts, self.sample_shape, f"The test set of {self.name}")

    def _fitted(self) -> tuple[Transform, ...]:
        return tuple(transform.fitted(self.sample_shape, self.mean) for transform in self.augment)

    def _read_both(self) -> tuple[Any, Any]:
        return self._read()

    def _read(self) -> tuple[Any, Any]:
        """Return training and test data, each a `Split` or a pair of arrays or tensors (images, labels)."""
        raise NotImplementedError
