"""ImageNet (Russakovsky et al., "ImageNet large scale visual recognition challenge", IJCV 115, 2015): ILSVRC 2012."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from spikedistill.data.checked import check_content
from spikedistill.data.dataset import Dataset
from spikedistill.data.files import VARIABLE, data_root
from spikedistill.data.pictures import Fit, PictureSplit, class_folders, files_of
from spikedistill.data.split import Split
from spikedistill.errors import InputError

SIDE = 224


@dataclass(frozen=True)
class ImageNet(Dataset):
    """1281167 and 50000 photographs of 1000 classes, in <root>/imagenet: train/<wnid>/*.JPEG and val/<wnid>/*.JPEG.

    The published archives, unpacked into a folder per class; the validation pictures, which the archive has in one
    folder, are sorted into theirs, as torchvision wants them too. They are the test set: the labels of the published
    test images are not public. Labels number the WordNet identifiers in alphabetical order.

    Pictures stay in their files and are decoded when they are asked for, as 224 x 224: the shorter side is brought to
    256, and the middle is cut. To train on random parts of the whole pictures, mirrored (the usual augmentation):
    `--data.augment resized-crop,flip`. A photograph is turned upright where its camera says so, which torchvision does
    not. The statistics are those of torchvision's networks; they have not been measured here.
    """

    name: ClassVar[str] = "imagenet"
    classes: ClassVar[int] = 1000
    train_counts: ClassVar[tuple[int, ...]] = (1282,) * 167 + (1281,) * 833
    """Their sum is the published one. Classes have 732 to 1300, of which the papers print no list."""
    test_counts: ClassVar[tuple[int, ...]] = (50,) * 1000
    folder: ClassVar[str] = "imagenet"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Three channels of 224 x 224."""
        return (3, SIDE, SIDE)

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.485, 0.456, 0.406)

    @property
    def std(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.229, 0.224, 0.225)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The WordNet identifiers; none where the files are not there now."""
        try:
            return class_folders(self._place("train"), "")
        except InputError:
            return ()

    def check_read(self, train: Split, test: Split) -> None:
        """See `Dataset.check_read`; of the training images the sum of the counts is compared."""
        found = torch.bincount(train.labels, minlength=self.classes)
        if not bool(found.all()) or len(train) != sum(self.train_counts):
            raise InputError(
                f"{self._place('train')} has {len(train)} pictures; the published {sum(self.train_counts)} are of "
                f"{self.classes} classes. Of other pictures: --data folder."
            )
        check_content(test, self.test_counts, self.shape, f"The test set of {self.name}")

    def _place(self, part: str) -> Path:
        return data_root(self.root) / self.folder / part

    def _read(self) -> tuple[Split, Split]:
        what = (
            f"a folder per class with its pictures; {data_root(self.root)} is what --data.root or {VARIABLE} names, "
            f"and {self.folder}/train and {self.folder}/val are below it"
        )
        parts = ("train", "val")
        classes = [class_folders(self._place(part), what) for part in parts]
        for part, names in zip(parts, classes, strict=True):
            if len(names) != self.classes:
                raise InputError(
                    f"{self._place(part)} holds {len(names)} folders; the published classes are {self.classes}, a "
                    "folder each. Of other pictures: --data folder."
                )
        if classes[0] != classes[1]:
            name = sorted(set(classes[0]) ^ set(classes[1]))[0]
            raise InputError(f"{self._place('train')} and {self._place('val')} have other classes: {name} is in one.")
        return self._split("train", classes[0]), self._split("val", classes[1])

    def _split(self, part: str, classes: tuple[str, ...]) -> Split:
        files = [files_of(self._place(part) / name) for name in classes]
        labels = torch.arange(len(classes)).repeat_interleave(torch.tensor([len(one) for one in files]))
        return PictureSplit(labels, tuple(path for one in files for path in one), Fit(3, SIDE, SIDE, "crop"))
