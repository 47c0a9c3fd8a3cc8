"""What every data set is: a value that says which images and which augmentation, and loads them as uint8 tensors."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from spikedistill.data.augment import Crop, Cutout, Flip
from spikedistill.data.autoaugment import AutoAugment
from spikedistill.data.split import Split, Splits
from spikedistill.data.subset import balanced, proportional, rest
from spikedistill.data.transform import Augmented, Transform
from spikedistill.errors import InputError, nearest

Policy = Literal["none", "cifar10"]


@dataclass(frozen=True)
class Augment:
    """Augmentation of training images; every choice is a function of (seed, epoch, index). All off by default.

    Applied in this order: crop, flip, policy, cutout, as in the public code of the SNN literature.
    """

    crop: int = 0
    """Zero padding in pixels around the image before a random crop back to its size; 0 for none."""
    flip: bool = False
    """Mirror left to right with probability 1/2."""
    policy: Policy = "none"
    """AutoAugment's CIFAR-10 policy (Cubuk et al., CVPR 2019), or none."""
    cutout: int = 0
    """Side in pixels of the square that cutout (DeVries and Taylor, 2017) sets to the mean; 0 for none."""

    def __post_init__(self) -> None:
        for name in ("crop", "cutout"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}; it is a number of pixels, 0 for none.")
        allowed = get_args(Policy)
        if self.policy not in allowed:
            raise InputError(
                f"Unknown policy {self.policy!r}.{nearest(self.policy, allowed)} Allowed: {', '.join(allowed)}."
            )

    def transforms(self) -> tuple[Transform, ...]:
        """Return the usual tuple."""
        kinds = (self.crop and Crop(self.crop), self.flip and Flip(), self.cutout and Cutout(self.cutout))
        crop, flip, cutout = kinds
        policy = self.policy != "none" and AutoAugment(self.policy)
        return tuple(transform for transform in (crop, flip, policy, cutout) if isinstance(transform, Transform))


@dataclass(frozen=True)
class Dataset:
    """Base of all data sets."""

    abstract: ClassVar[bool] = True

    name: ClassVar[str]
    """On the command line."""
    classes: ClassVar[int]
    train_counts: ClassVar[tuple[int, ...]]
    """Published training images of each class."""
    test_counts: ClassVar[tuple[int, ...]]
    """Published test images of each class."""

    root: str = field(default="", metadata={"place": True})
    """Folder that holds the published files; where empty, SPIKEDISTILL_DATA, or else ~/.cache/spikedistill/data. Says
    where, not what: not in the hash."""
    train_size: int = 0
    """Number of training images to keep, the same number of each class where possible; 0 keeps all."""
    validation: int = 0
    """Number of training images to hold out as a validation split, before `train_size` is applied."""
    augment: Augment = Augment()
    """Augmentation of the training images."""

    def __post_init__(self) -> None:
        published = sum(self.train_counts)
        for name in ("train_size", "validation"):
            if not 0 <= getattr(self, name) <= published:
                raise InputError(
                    f"{name} is {getattr(self, name)}; it is a number of images from 0 to the {published} training "
                    f"images of {self.name}."
                )
        if self.validation + max(self.train_size, 1) > published:
            raise InputError(
                f"validation is {self.validation} and train_size {self.train_size or 'all the rest'}; together they "
                f"take more than the {published} training images of {self.name}. Lower one of them."
            )

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
        """Per channel, of the published training images scaled to [0, 1]."""
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
        train, test = self._read()
        validation = None
        if self.validation:
            held_out = proportional(train.labels, self.validation)
            validation, train = train[held_out], train[rest(held_out, len(train))]
        if self.train_size:
            train = train[balanced(train.labels, self.train_size)]
        return Splits(train, validation, test)

    def augmented(self, split: Split, seed: int) -> Split:
        """Return a split whose views are augmented; `split` itself where there is no augmentation.

        Args:
            split: Of the training images.
            seed: Of the augmentation.

        Raises:
            InputError: a transformation does not fit the images.
        """
        shape = self.shape if self.steps is None else (self.steps, *self.shape)
        transforms = tuple(transform.fitted(shape, self.mean) for transform in self.augment.transforms())
        return Augmented(split.labels, split, transforms, seed) if transforms else split

    def _read(self) -> tuple[Split, Split]:
        """The published training and test images, checked."""
        raise NotImplementedError
