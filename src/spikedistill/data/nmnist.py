"""N-MNIST: MNIST before a moving event camera.

Orchard et al., "Converting static image datasets to spiking neuromorphic datasets using saccades", Frontiers in
Neuroscience 9, 2015.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from spikedistill.data.event_files import read_nmnist
from spikedistill.data.event_frames import EventDataset
from spikedistill.errors import InputError


@dataclass(frozen=True)
class NMNIST(EventDataset):
    """60000 and 10000 recordings of MNIST's digits, 34 x 34, or some: <root>/NMNIST/Train/0/*.bin, Test/0/*.bin.

    The authors' two archives, Train and Test, unpacked. Files are in alphabetical order, one digit after the other.
    """

    name: ClassVar[str] = "nmnist"
    folder: ClassVar[str] = "NMNIST"
    sensor: ClassVar[tuple[int, int]] = (34, 34)
    kinds: ClassVar[int] = 10

    def _read(self) -> tuple[Any, Any]:
        place = self.place()
        return self._part(place / "Train"), self._part(place / "Test")

    def _part(self, folder: Path) -> Any:
        found = [(path, digit) for digit in range(10) for path in sorted((folder / str(digit)).glob("*.bin"))]
        if not found:
            raise InputError(
                f"{folder} has no recordings. They are {folder}/0/00002.bin and so on, a folder per digit."
            )
        return self.read_recordings([path for path, _ in found], [digit for _, digit in found], read_nmnist)
