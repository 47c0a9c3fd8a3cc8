"""A training's numbers for TensorBoard, as event files in the run's folder, beside log.jsonl."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spikedistill.errors import InputError, NotSavedError
from spikedistill.machine.progress import Forwarding, Reporter

FOLDER = "tensorboard"
"""Below a run's folder."""
FLUSH_SECONDS = 10


class TensorBoard(Forwarding):
    """Writes `epoch/...` against epochs, what log.jsonl has, and `step/...` against steps of the optimiser within.

    A run that goes on goes on in its curves: what an interrupted part wrote after its last checkpoint is taken back.
    Epochs from before it was asked for are written first.

    Raises:
        InputError: tensorboard is not installed.
    """

    def __init__(self, inner: Reporter) -> None:
        super().__init__(inner)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "--log tensorboard needs TensorBoard: pip install tensorboard. Without the option a "
                "run's log.jsonl has the same numbers."
            ) from error
        self.new_writer = SummaryWriter
        self.writer: Any = None
        self.folder = Path()
        self.lines: Sequence[tuple[str, str]] = ()
        self.records: Sequence[dict[str, Any]] = ()
        self.done = 0

    def header(self, folder: Path, lines: Sequence[tuple[str, str]], records: Sequence[dict[str, Any]] = ()) -> None:
        """See `Reporter`."""
        super().header(folder, lines, records)
        self.folder, self.lines, self.records = folder / FOLDER, lines, records

    def begin(self, label: str, done: int, total: int) -> None:
        """See `Reporter`."""
        super().begin(label, done, total)
        self.done = done
        new = not self.folder.is_dir()
        try:
            self.writer = self.new_writer(str(self.folder), purge_step=done + 1, flush_secs=FLUSH_SECONDS)
        except OSError as error:
            raise NotSavedError(f"{self.folder} cannot be written: {error.strerror}.") from error
        if new:
            self.writer.add_text("recipe", "\n\n".join(f"{name}: {text}" for name, text in self.lines), 0)
            for record in self.records:
                self._write(record)

    def advance(self) -> None:
        """See `Reporter`."""
        super().advance()
        self.done += 1

    def step(self, epoch: int, losses: dict[str, float], accuracy: float, images_per_second: float) -> None:
        """See `Reporter`."""
        super().step(epoch, losses, accuracy, images_per_second)
        for name, value in losses.items():
            self.writer.add_scalar(f"step/losses/{name}", value, self.done)
        self.writer.add_scalar("step/train_accuracy", accuracy, self.done)
        self.writer.add_scalar("step/images_per_second", images_per_second, self.done)

    def epoch(self, record: dict[str, Any]) -> None:
        """See `Reporter`."""
        super().epoch(record)
        self._write(record)
        self.writer.flush()

    def end(self) -> None:
        """See `Reporter`."""
        super().end()
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _write(self, record: dict[str, Any]) -> None:
        numbers = record | {f"losses/{name}": value for name, value in record["losses"].items()}
        for name, value in numbers.items():
            if isinstance(value, int | float) and name != "epoch":
                self.writer.add_scalar(f"epoch/{name}", value, record["epoch"])
