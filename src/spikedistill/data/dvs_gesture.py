"""DVS-Gesture: gestures of hands and arms before an event camera.

Amir et al., "A low power, fully event-based gesture recognition system", CVPR 2017.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from spikedistill.data.event_files import Events, read_aedat3
from spikedistill.data.event_frames import EventDataset
from spikedistill.data.files import read_text
from spikedistill.data.split import TensorSplit
from spikedistill.errors import InputError

CLASSES = 11
COLUMNS = ["class", "startTime_usec", "endTime_usec"]
MOST_BYTES = 10**6


@dataclass(frozen=True)
class DVSGesture(EventDataset):
    """1176 and 288 gestures of eleven kinds, 128 x 128, or some of them, in <root>/DvsGesture.

    The authors' archive, unpacked: trials_to_train.txt and trials_to_test.txt name recordings, each NAME.aedat with
    NAME_labels.csv, which says which gesture (1 to 11, here 0 to 10) is from when to when; its end is excluded.
    """

    name: ClassVar[str] = "dvs-gesture"
    folder: ClassVar[str] = "DvsGesture"
    sensor: ClassVar[tuple[int, int]] = (128, 128)
    kinds: ClassVar[int] = 11

    def _read(self) -> tuple[Any, Any]:
        place = self.place()
        return self._part(place, "trials_to_train.txt"), self._part(place, "trials_to_test.txt")

    def _part(self, place: Path, trials: str) -> TensorSplit:
        frames, labels = [], []
        names = [line.strip() for line in read_text(place / trials, MOST_BYTES).splitlines() if line.strip()]
        for name in names:
            if Path(name).name != name:
                raise InputError(f"{place / trials} names {name!r}, which is no file's name.")
            path = place / name
            events = read_aedat3(path)
            for label, start, end in read_gestures(path.with_name(f"{path.stem}_labels.csv")):
                during = (events.t >= start) & (events.t < end)
                frames.append(self.one(Events(*(part[during] for part in events)), path))
                labels.append(label)
        if not frames:
            raise InputError(f"{place / trials} names no recordings with gestures.")
        return TensorSplit(torch.stack(frames), torch.tensor(labels, dtype=torch.int64))


def read_gestures(path: Path) -> list[tuple[int, int, int]]:
    """Return label from 0, start and end in microseconds of each gesture in a file of labels.

    Raises:
        InputError: the file cannot be read, or a line says something else.
    """
    rows = list(csv.reader(read_text(path, MOST_BYTES).splitlines()))
    if not rows or rows[0] != COLUMNS:
        raise InputError(f"{path} does not begin with the line {','.join(COLUMNS)}.")
    found = []
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        try:
            label, start, end = map(int, row)
        except ValueError:
            raise InputError(f"Line {number} of {path} is not three whole numbers.") from None
        if not (1 <= label <= CLASSES and start < end):
            raise InputError(f"Line {number} of {path}: gesture {label} (of 1 to {CLASSES}) from {start} to {end}.")
        found.append((label - 1, start, end))
    return found
