"""CIFAR10-DVS: pictures of CIFAR-10 that move before an event camera.

Li et al., "CIFAR10-DVS: an event-stream dataset for object classification", Frontiers in Neuroscience 11, 2017.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from spikedistill.data.event_files import read_aedat2
from spikedistill.data.event_frames import EventDataset
from spikedistill.errors import InputError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class CIFAR10DVS(EventDataset):
    """1000 recordings of each class, 128 x 128, or some of them: <root>/CIFAR10DVS/airplane/*.aedat and so on.

    The authors' ten archives, unpacked. There is no published split: the first nine tenths of each class, in the order
    of the numbers in the files' names, are for training and the rest for the test. Nine tenths are usual, the order is
    not agreed on: SpikingJelly's helper takes the names as words (10 before 2), TEBN's code tests on the first hundred.
    """

    name: ClassVar[str] = "cifar10-dvs"
    folder: ClassVar[str] = "CIFAR10DVS"
    sensor: ClassVar[tuple[int, int]] = (128, 128)
    kinds: ClassVar[int] = 10
    class_names: ClassVar[tuple[str, ...]] = CLASSES

    def _read(self) -> tuple[Any, Any]:
        place = self.place()
        train: list[tuple[Path, int]] = []
        test: list[tuple[Path, int]] = []
        for label, name in enumerate(CLASSES):
            found = [(path, label) for path in sorted((place / name).glob("*.aedat"), key=_number)]
            train += found[: len(found) * 9 // 10]
            test += found[len(found) * 9 // 10 :]
        if not train or not test:
            raise InputError(f"{place} has too few recordings. They are {place}/airplane/cifar10_airplane_0.aedat etc.")
        parts = [
            self.read_recordings([path for path, _ in part], [label for _, label in part], read_aedat2)
            for part in (train, test)
        ]
        return parts[0], parts[1]


def _number(path: Path) -> tuple[int, str]:
    digits = re.findall(r"\d+", path.stem)
    return (int(digits[-1]) if digits else 0, path.name)
