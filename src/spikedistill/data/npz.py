"""Arrays of one's own in a file of NumPy's: `--data npz --data.path FILE`."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikedistill.data.files import data_path, open_file, reason
from spikedistill.data.own import OwnDataset
from spikedistill.errors import InputError

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class Npz(OwnDataset):
    """Arrays of one's own in one file of `numpy.savez`: train_images, train_labels, test_images, test_labels.

    Images are uint8 [N, C, H, W], or frames of events [N, T, C, H, W]; labels are whole numbers [N] from 0. Arrays of
    objects are refused: they are pickles.
    """

    name: ClassVar[str] = "npz"

    path: str = field(default="", metadata={"place": True})
    """The file. It says where, not what: what is in it is in `facts`."""

    def _read(self) -> tuple[Any, Any]:
        path = data_path(self.path, "file of arrays", "--data.path FILE.npz")
        try:
            with open_file(path) as file:
                held = np.load(file, allow_pickle=False)
                if isinstance(held, np.ndarray):
                    raise InputError(f"{path} holds one array. It should hold {', '.join(NAMES)}: numpy.savez.")
                missing = [name for name in NAMES if name not in held.files]
                if missing:
                    there = ", ".join(held.files) or "nothing"
                    raise InputError(f"{path} lacks {', '.join(missing)}; it holds {there[:200]}.")
                arrays: list[NDArray[Any]] = [held[name] for name in NAMES]
        except InputError:
            raise
        except Exception as error:  # A damaged file fails in any way at all.
            raise InputError(f"{path} cannot be read as a file of numpy.savez: {reason(error)}") from error
        return (arrays[0], arrays[1]), (arrays[2], arrays[3])
