"""Pictures of one's own, a folder for each class: `--data folder --data.path DIR`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from spikedistill.data.files import data_path
from spikedistill.data.own import OwnDataset
from spikedistill.data.picture import open_picture
from spikedistill.data.pictures import Fit, class_folders, files_of, pictures
from spikedistill.data.split import Split
from spikedistill.errors import InputError
from spikedistill.values.checks import check_choice, check_count

PARTS = ("train", "test")
LAYOUT = "a folder for each class with its pictures: DIR/train/CLASS/*.png and DIR/test/CLASS/*.png for --data.path DIR"


@dataclass(frozen=True)
class Folder(OwnDataset):
    """Pictures of one's own, a folder for each class: PATH/train/CLASS/*.png and PATH/test/CLASS/*.png.

    Any format that `spikedistill.data.picture` decodes; every file counts, but those whose names begin with a dot.
    Labels number the class folders in alphabetical order. A part that takes more than 2 GiB is decoded as it is read;
    see `spikedistill.data.pictures`.
    """

    name: ClassVar[str] = "folder"

    path: str = field(default="", metadata={"place": True})
    """The folder. It says where, not what: what is in it is in `facts`."""
    channels: Literal["rgb", "grey"] = "rgb"
    """Colour, or grey by the luma of ITU-R BT.601."""
    size: int = 0
    """Side in pixels of the squares that pictures are stretched or shrunk to (bicubic); 0 leaves them as they are, and
    they must have one size."""

    def __post_init__(self) -> None:
        check_choice(self, "channels", ("rgb", "grey"))
        check_count(self, "size", low=0, high=4096)
        super().__post_init__()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the folders; none where they are not there now."""
        try:
            return class_folders(self._place() / "train", LAYOUT)
        except InputError:
            return ()

    def _read(self) -> tuple[Split, Split]:
        place = self._place()
        classes = class_folders(place / "train", LAYOUT)
        for name in class_folders(place / "test", LAYOUT):
            if name not in classes:
                raise InputError(
                    f"{place / 'test'} has the class {name}, which {place / 'train'} has not. Add it there."
                )
        found = [self._files(place / part, classes) for part in PARTS]
        fit = self._fit(found[0][0][0])
        train, test = (pictures(files, labels, fit) for files, labels in found)
        return train, test

    def _place(self) -> Path:
        return data_path(self.path, "folder of pictures", "--data.path DIR, with DIR/train/CLASS and DIR/test/CLASS")

    def _files(self, folder: Path, classes: tuple[str, ...]) -> tuple[list[Path], list[int]]:
        found = [
            (path, k) for k, name in enumerate(classes) if (folder / name).is_dir() for path in files_of(folder / name)
        ]
        return [path for path, _ in found], [label for _, label in found]

    def _fit(self, first: Path) -> Fit:
        channels = 3 if self.channels == "rgb" else 1
        if self.size:
            return Fit(channels, self.size, self.size, "stretch")
        image = open_picture(first, channels)
        return Fit(channels, image.height, image.width, advice="Bring all to one size: --data.size 64, for instance.")
