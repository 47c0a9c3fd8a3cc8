"""Tiny-ImageNet (Le and Yang, "Tiny ImageNet visual recognition challenge", Stanford CS231N, 2015): 64 x 64."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spikedistill.data.archives import unpack_zip
from spikedistill.data.dataset import Dataset
from spikedistill.data.files import data_root, download, ensure, read_text
from spikedistill.data.pictures import Fit, files_of, pictures
from spikedistill.data.split import Split
from spikedistill.errors import InputError

MOST_BYTES = 2 * 10**9
"""Of all files together; the published ones have a quarter of that."""


@dataclass(frozen=True)
class TinyImageNet(Dataset):
    """100000 and 10000 photographs of 200 classes, in <root>/tiny-imagenet-200: the published archive, unpacked.

    The published validation images are the test set: the labels of its test images are not published. Labels number
    the WordNet identifiers in alphabetical order, as torchvision's ImageFolder does; wnids.txt has another order. All
    are decoded into memory, 1.4 GB. The statistics are those of public code; they have not been measured here.
    """

    name: ClassVar[str] = "tiny-imagenet"
    classes: ClassVar[int] = 200
    train_counts: ClassVar[tuple[int, ...]] = (500,) * 200
    test_counts: ClassVar[tuple[int, ...]] = (50,) * 200
    folder: ClassVar[str] = "tiny-imagenet-200"
    address: ClassVar[str] = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
    checksum: ClassVar[str] = "90528d7ca1a48142e341f4ef8d21d0de"
    """MD5 of the archive."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Three channels of 64 x 64."""
        return (3, 64, 64)

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the training images."""
        return (0.4802, 0.4481, 0.3975)

    @property
    def std(self) -> tuple[float, ...]:
        """Of the training images, over all pixels; the (0.2302, 0.2265, 0.2262) of some code is the mean over images
        of each image's own deviation.
        """
        return (0.2770, 0.2691, 0.2821)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What words.txt calls the classes; none where the files are not there now."""
        folder = data_root(self.root) / self.folder
        try:
            words = dict(line.split("\t", 1) for line in read_text(folder / "words.txt").splitlines() if "\t" in line)
            return tuple(words.get(wnid, wnid).split(",")[0] for wnid in self._wnids(folder))
        except InputError:
            return ()

    def _read(self) -> tuple[Split, Split]:
        root = data_root(self.root)
        folder = root / self.folder
        wanted = ["wnids.txt", "train", "val/images", "val/val_annotations.txt"]

        def absent() -> list[str]:
            return [name for name in wanted if not (folder / name).exists()]

        ensure(folder, wanted, absent, root, self._fetch)
        labels = {wnid: label for label, wnid in enumerate(self._wnids(folder))}
        fit = Fit(3, 64, 64, advice=f"Put the published files into {folder}.")
        return pictures(*self._train(folder, labels), fit), pictures(*self._val(folder, labels), fit)

    def _fetch(self, folder: Path) -> None:
        archive = folder / "archive.zip"
        download(self.address, archive, self.checksum)
        unpack_zip(archive, folder, self.folder, lambda name: not name.startswith("test/"), MOST_BYTES)
        archive.unlink()

    def _wnids(self, folder: Path) -> list[str]:
        wnids = sorted(set(read_text(folder / "wnids.txt").split()))
        if len(wnids) != self.classes:
            raise InputError(f"{folder / 'wnids.txt'} names {len(wnids)} classes; the published one {self.classes}.")
        return wnids

    def _train(self, folder: Path, labels: dict[str, int]) -> tuple[list[Path], list[int]]:
        files: list[Path] = []
        numbers: list[int] = []
        for wnid, label in labels.items():
            place = folder / "train" / wnid / "images"
            found = files_of(place)
            if len(found) != self.train_counts[label]:
                raise InputError(
                    f"{place} has {len(found)} pictures; the published folder has {self.train_counts[label]}."
                )
            files += found
            numbers += [label] * len(found)
        return files, numbers

    def _val(self, folder: Path, labels: dict[str, int]) -> tuple[list[Path], list[int]]:
        """Return the pictures in the order of their list: name, identifier, and a box in pixels that is not used."""
        path = folder / "val" / "val_annotations.txt"
        files: list[Path] = []
        numbers: list[int] = []
        for number, line in enumerate(read_text(path).splitlines(), 1):
            name, _, rest = line.partition("\t")
            wnid = rest.partition("\t")[0]
            if wnid not in labels or Path(name).name != name:
                raise InputError(f"Line {number} of {path} is not a picture's name and a class of wnids.txt.")
            files.append(folder / "val" / "images" / name)
            numbers.append(labels[wnid])
        return files, numbers
