"""What a training says while it runs: a live line on a terminal, plain lines elsewhere. All of it goes to stderr."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from spikedistill.machine.terminal import printable

SECONDS_BETWEEN_LINES = 30.0


def span(seconds: float) -> str:
    """Return a time for people: `40 s`, `3.5 min`, `2.1 h`."""
    if seconds >= 5400:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.0f} s"


class Reporter:
    """What the loop tells; this one keeps it to itself."""

    def say(self, text: str) -> None:
        """One line for people."""

    def already(self, folder: Path) -> None:
        """What was asked for has run before."""
        self.say(f"{folder} has run already.")

    def header(self, folder: Path, lines: Sequence[tuple[str, str]], records: Sequence[dict[str, Any]] = ()) -> None:
        """A run begins or goes on: its folder, what it trains (a name and a text for each line), its epochs so far."""

    def begin(self, label: str, done: int, total: int) -> None:
        """Training starts, or goes on, at step `done` of `total`."""

    def step(self, epoch: int, losses: dict[str, float], accuracy: float, images_per_second: float) -> None:
        """A few more steps are done; the numbers are means over the epoch so far."""

    def advance(self) -> None:
        """One more step is done."""

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch is done; `record` is its line in the log."""

    def end(self) -> None:
        """Training has ended, for whatever reason."""


class Lines(Reporter):
    """What both kinds below print: a header per run, and a line per epoch with the best one marked."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.best = -1.0

    def say(self, text: str) -> None:
        """See `Reporter`."""
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def header(self, folder: Path, lines: Sequence[tuple[str, str]], records: Sequence[dict[str, Any]] = ()) -> None:  # noqa: ARG002
        """See `Reporter`."""
        for name, text in lines:
            self.say(f"{name:8} {text}")
        self.best = max((_judged(record) for record in records), default=-1.0)

    def epoch(self, record: dict[str, Any]) -> None:
        """See `Reporter`; `*` says that no epoch before was better (on the validation split, where there is one)."""
        judged = _judged(record)
        self.say(_epoch_line(record, best=judged > self.best))
        self.best = max(self.best, judged)


class Plain(Lines):
    """A line per epoch, and one every half minute within; for pipes and log files."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.last_line = time.monotonic()
        self.started = time.monotonic()
        self.done = self.first = self.total = 0

    def begin(self, label: str, done: int, total: int) -> None:
        """See `Reporter`."""
        self.done = self.first = done
        self.total = total
        self.started = self.last_line = time.monotonic()
        self.say(f"{label}: step {done} of {total}")

    def advance(self) -> None:
        """See `Reporter`."""
        self.done += 1

    def step(self, epoch: int, losses: dict[str, float], accuracy: float, images_per_second: float) -> None:
        """See `Reporter`."""
        if time.monotonic() - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = time.monotonic()
            left = (self.last_line - self.started) / max(self.done - self.first, 1) * (self.total - self.done)
            self.say(f"{_numbers(epoch, losses, accuracy, images_per_second)}  {span(left)} left")

    def epoch(self, record: dict[str, Any]) -> None:
        """See `Reporter`."""
        self.last_line = time.monotonic()
        super().epoch(record)


class Live(Lines):
    """One line that is redrawn, with a bar, and a line for each epoch above it; for terminals."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.progress: Progress | None = None
        self.task = TaskID(0)

    def begin(self, label: str, done: int, total: int) -> None:
        """See `Reporter`."""
        shrinks = Column(ratio=1, no_wrap=True)  # on a narrow terminal the numbers are cut, not bar and time
        columns = (TextColumn("{task.description}"), BarColumn(12), MofNCompleteColumn(), TimeRemainingColumn())
        numbers = TextColumn("{task.fields[numbers]}", table_column=shrinks)
        self.progress = Progress(*columns, numbers, console=self.console, transient=True, expand=True)
        self.task = self.progress.add_task(label, total=total, completed=done, numbers="")
        self.progress.start()

    def advance(self) -> None:
        """See `Reporter`."""
        if self.progress:
            self.progress.advance(self.task)

    def step(self, epoch: int, losses: dict[str, float], accuracy: float, images_per_second: float) -> None:
        """See `Reporter`."""
        if self.progress:
            self.progress.update(self.task, numbers=_numbers(epoch, losses, accuracy, images_per_second))

    def end(self) -> None:
        """See `Reporter`."""
        if self.progress:
            self.progress.stop()


class Forwarding(Reporter):
    """Tells another reporter all that it is told."""

    def __init__(self, inner: Reporter) -> None:
        self.inner = inner

    def say(self, text: str) -> None:
        """See `Reporter`."""
        self.inner.say(text)

    def header(self, folder: Path, lines: Sequence[tuple[str, str]], records: Sequence[dict[str, Any]] = ()) -> None:
        """See `Reporter`."""
        self.inner.header(folder, lines, records)

    def begin(self, label: str, done: int, total: int) -> None:
        """See `Reporter`."""
        self.inner.begin(label, done, total)

    def step(self, epoch: int, losses: dict[str, float], accuracy: float, images_per_second: float) -> None:
        """See `Reporter`."""
        self.inner.step(epoch, losses, accuracy, images_per_second)

    def advance(self) -> None:
        """See `Reporter`."""
        self.inner.advance()

    def epoch(self, record: dict[str, Any]) -> None:
        """See `Reporter`."""
        self.inner.epoch(record)

    def end(self) -> None:
        """See `Reporter`."""
        self.inner.end()


class OneOfMany(Forwarding):
    """Tells another reporter how one training of a table goes, without header, epochs and teachers that are there."""

    def already(self, folder: Path) -> None:
        """See `Reporter`."""

    def header(self, folder: Path, lines: Sequence[tuple[str, str]], records: Sequence[dict[str, Any]] = ()) -> None:
        """See `Reporter`."""

    def epoch(self, record: dict[str, Any]) -> None:
        """See `Reporter`."""


def reporter() -> Reporter:
    """Return a live line where stderr is a terminal, else plain lines."""
    console = Console(stderr=True)
    live = sys.stderr.isatty() and not console.is_dumb_terminal
    return Live(console) if live else Plain(console)


def _numbers(epoch: int, losses: dict[str, float], accuracy: float, images_per_second: float, first: str = "") -> str:
    terms = "  ".join(f"{name} {value:7.3f}" for name, value in losses.items())
    return f"epoch {epoch:3}  {first}train {accuracy:7.2%}  {terms}  {images_per_second:8,.0f} images/s"


def _epoch_line(record: dict[str, Any], best: bool) -> str:
    """Accuracy first; an epoch that was not evaluated has as wide a gap."""
    shown = ""
    for name, key in (("test", "accuracy"), ("validation", "validation_accuracy")):
        if key in record:
            shown += f"{name} {record[key]:7.2%}{('*' if best else ' ') if key == 'accuracy' else ''}  "
    return _numbers(
        record["epoch"], record["losses"], record["train_accuracy"], record["images_per_second"], shown or " " * 15
    )


def _judged(record: dict[str, Any]) -> float:
    """What an epoch is judged by; below all where it was not evaluated."""
    return float(record.get("validation_accuracy", record.get("accuracy", -1.0)))
