"""Events as frames, and the base of data sets of events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from spikedistill.data.event_files import Events
from spikedistill.data.files import data_root
from spikedistill.data.own import Facts, OwnDataset
from spikedistill.data.split import TensorSplit
from spikedistill.errors import InputError
from spikedistill.values.checks import check_choice, check_count

By = Literal["count", "time"]


def to_frames(events: Events, frames: int, by: By, height: int, width: int) -> UInt8[Tensor, "T 2 H W"]:
    """Return events as frames of counts, OFF in channel 0 and ON in channel 1; a count above 255 is 255.

    As SpikingJelly does it. By count: each frame has floor(N / T) events, the last one also what is left. By time: each
    has floor((last - first) / T) microseconds, and the last one what is left; a frame may be empty.

    Raises:
        InputError: there are no events.
    """
    number = len(events.t)
    if not number:
        raise InputError("There are no events.")
    if by == "count":
        frame = np.arange(number) // max(1, number // frames)
    else:
        first, last = int(events.t.min()), int(events.t.max())
        frame = (events.t - first) // max(1, (last - first) // frames)
    place = ((np.minimum(frame, frames - 1) * 2 + events.p) * height + events.y) * width + events.x
    counts = np.bincount(place, minlength=frames * 2 * height * width)
    return torch.from_numpy(np.minimum(counts, 255).astype(np.uint8)).view(frames, 2, height, width)


@dataclass(frozen=True)
class EventDataset(OwnDataset):
    """Recordings of an event camera as frames [T, 2, H, W] of counts, which networks read as they are.

    The T of the recipe is that of the frames. What is there is read: subsets are data sets too, and what they are like
    is found when a run starts. All frames are in memory.
    """

    abstract: ClassVar[bool] = True

    folder: ClassVar[str]
    """Below the root."""
    sensor: ClassVar[tuple[int, int]]
    """Height and width."""
    kinds: ClassVar[int]
    """Number of classes of the whole."""

    frames: int = 10
    """T."""
    by: By = "count"
    """Frames of equally many events (`count`, which the literature calls number) or of equal times (`time`)."""

    def __post_init__(self) -> None:
        check_count(self, "frames", low=1, high=1000)
        check_choice(self, "by", ("count", "time"))
        super().__post_init__()

    def without_files(self) -> "EventDataset":
        """See `Dataset.without_files`: of all classes, with a made-up number of recordings."""
        counts = (1000,) * self.kinds
        return self if self.facts else replace(self, facts=Facts(counts, counts, self.sample_shape, (), (), "", ""))

    @property
    def shape(self) -> tuple[int, int, int]:
        """OFF and ON, of the sensor's height and width."""
        return (2, *self.sensor)

    @property
    def steps(self) -> int:
        """See `Dataset.steps`."""
        return self.frames

    @property
    def mean(self) -> tuple[float, ...]:
        """0: counts are not normalised."""
        return (0.0, 0.0)

    @property
    def std(self) -> tuple[float, ...]:
        """1 / 255: a network reads the counts themselves."""
        return (1 / 255, 1 / 255)

    def place(self) -> Path:
        """Return the folder of the recordings. Raises InputError where there is none."""
        root = data_root(self.root)
        place = root / self.folder
        if not place.is_dir():
            raise InputError(
                f"{place} is not there. Unpack the recordings of {self.name} to it; {root} is what --data.root or "
                "SPIKEDISTILL_DATA names."
            )
        return place

    def read_recordings(self, files: Sequence[Path], labels: Sequence[int], read: Callable[[Path], Events]) -> Any:
        """Return recordings, one a file, as a split. Raises InputError where one is damaged or empty."""
        frames = torch.empty(len(files), *self.sample_shape, dtype=torch.uint8)
        for number, path in enumerate(files):
            frames[number] = self.one(read(path), path)
        return TensorSplit(frames, torch.tensor(labels, dtype=torch.int64))

    def one(self, events: Events, path: Path) -> UInt8[Tensor, "T 2 H W"]:
        """Return one recording's frames; `path` is named where it is empty."""
        try:
            return to_frames(events, self.frames, self.by, *self.sensor)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
