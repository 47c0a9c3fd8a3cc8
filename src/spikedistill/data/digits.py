"""The handwritten digits that come with scikit-learn: 8 x 8, ten classes, no download."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from spikedistill.data.dataset import Dataset
from spikedistill.data.published import check_published
from spikedistill.data.split import TensorSplit
from spikedistill.data.subset import proportional, rest


@dataclass(frozen=True)
class Digits(Dataset):
    """1437 and 360 of the 1797 images of scikit-learn's `load_digits` (the test set of UCI's Optical Recognition of
    Handwritten Digits, Alpaydin and Kaynak, 1998).

    There is no published split. This one is fixed: each class gives a fifth to the test set, chosen by the hash of
    `spikedistill.randomness`. Writers are not told apart in the data, so they may be in both parts. The values 0 to 16
    are scaled to 0 to 255 and rounded. `root` has no meaning here.
    """

    name: ClassVar[str] = "digits"
    classes: ClassVar[int] = 10
    train_counts: ClassVar[tuple[int, ...]] = (142, 145, 142, 146, 145, 146, 145, 143, 139, 144)
    test_counts: ClassVar[tuple[int, ...]] = (36, 37, 35, 37, 36, 36, 36, 36, 35, 36)

    @property
    def shape(self) -> tuple[int, int, int]:
        """One channel of 8 x 8."""
        return (1, 8, 8)

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.3052,)

    @property
    def std(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.3759,)

    def _read(self) -> tuple[TensorSplit, TensorSplit]:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        images = torch.from_numpy(np.round(bunch.images * (255 / 16)).astype(np.uint8))
        labels = torch.from_numpy(bunch.target.astype(np.int64))
        test = proportional(labels, sum(self.test_counts))
        parts = ((rest(test, len(labels)), self.train_counts), (test, self.test_counts))
        source = "Comes with scikit-learn: install it anew."
        train_split, test_split = (
            check_published(images[i], labels[i], self.shape, counts, source) for i, counts in parts
        )
        return train_split, test_split
