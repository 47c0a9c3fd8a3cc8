"""A teacher's answers, stored once and replayed: `--cache DIR`.

    DIR/<key>/key.json                  what the key is made of, for people; its time is that of the last use
    DIR/<key>/view-00003.safetensors    logits [N, T, K] in float16, by the images' numbers, of view 3

A view is the whole training set as one augmentation shows it: stored logits are right for that view alone. The key is a
SHA-256 of everything that the logits are a function of: training images, augmentation and its seed (`view_seed`), the
teacher (kind, network, weights, T, statistics) and its precision. Neither the run's seed, its batch size, method nor
student is among them: one store serves all of these, because a view is asked in the order of the images' numbers, in
batches of a fixed size.

A run on stored answers repeats itself bit for bit, whether it writes or reads them (on one kind of device, with as many
threads). A run that asks its teacher in each step asks about other batches, in which kernels may round an image's last
bits differently. Logits are rounded to float16 whether they are stored or not (see `NetworkTeacher.answers`), which
hides most of that: the two runs agree to the last digits, not bit for bit.

With fewer views than epochs, which is an approximation, epoch e shows view e mod `views` to teacher and student, in an
order of its own. Where there is no augmentation, all views are the same images, and one is stored.

A view's file appears whole or not at all; what a process that was killed had asked is asked again. Files are mapped
into memory, so that processes share them. One process at a time fills views, the others wait and read. When all views
are stored, the teacher leaves the device.
"""

import contextlib
import json
import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from spikedistill.data.split import Batch, Split
from spikedistill.errors import InputError, Stopped
from spikedistill.machine.device import Precision
from spikedistill.machine.interrupts import stop_signal
from spikedistill.machine.progress import Reporter
from spikedistill.machine.state_files import remove_partial_files, tensors_digest, write_atomically
from spikedistill.methods.method import Signals
from spikedistill.recipe import Recipe
from spikedistill.teachers.agreement import TOLERANCE, distance
from spikedistill.teachers.loaded import LoadedTeacher
from spikedistill.values.plain import digest

FORMAT = 2
"""Version of the files; part of the key."""
BATCH = 256
"""Images that the teacher is asked about at a time; part of the key, since last bits depend on it."""
BATCHES_TO_VERIFY = 4


@dataclass(eq=False)
class StoredAnswers(LoadedTeacher):
    """What a teacher has said of the views of a training set; it is asked where an answer is missing."""

    folder: Path
    """The key's."""
    ingredients: dict[str, Any]
    """What the key is made of; see `ingredients`."""
    split: Split
    """Training images, as views show them."""
    data: str
    """Name of the data, for people."""
    classes: int
    """Of the data."""
    views: int
    """That are different, of those that the run needs: 0, 1, ..., views - 1."""
    teacher: LoadedTeacher | None
    """None when all views are stored."""
    precision: Precision
    """That the teacher runs in."""
    report: Reporter
    """Who is told of a wait."""
    _view: int = field(default=-1, init=False)
    _logits: Tensor | None = field(default=None, init=False)

    @property
    def key(self) -> str:
        """SHA-256 of the ingredients; in the header of each file."""
        return digest(self.ingredients)

    def path(self, view: int) -> Path:
        """Where a view is stored."""
        return self.folder / f"view-{view:05}.safetensors"

    def answers(self, batch: Batch) -> Signals:
        """See `LoadedTeacher.answers`. The first batch of a view waits until all of it is stored.

        Raises:
            InputError: the file is truncated, damaged, or of another teacher or other data; the teacher's logits are
                beyond float16.
            Stopped: SIGINT or SIGTERM came; nothing of the view is stored.
            NotSavedError: the disk is full, say.
        """
        view = batch.view % self.views
        if self._logits is None or view != self._view:
            self._logits, self._view = self.view(view), view
        return Signals(self._logits[batch.index].transpose(0, 1).contiguous().float())

    def view(self, view: int) -> Float[Tensor, "N T K"]:
        """Return the logits of a view in float16, on the device of the images; on the CPU mapped from the file.

        The teacher is asked first where they are not stored. Raises what `answers` raises.
        """
        if not self.path(view).is_file():
            with stop_signal() as stopping, self._locked(stopping):
                if not self.path(view).is_file():
                    self._write(view, self._ask(view, stopping))
        self._release_if_complete()
        return self._read(view).to(self.split.labels.device)

    def verify(self) -> None:
        """Look at all files that the run will read, and ask the teacher again about a few random batches.

        A changed byte is found by the file's digest, other weights by the key: the second look is for a teacher whose
        code has changed.

        Raises:
            InputError: a file is truncated or foreign, or the teacher says something else now.
        """
        there = [view for view in range(self.views) if self.path(view).is_file()]
        for view in there:
            self._open(view)
        chance = random.SystemRandom()
        for view in chance.sample(there, min(len(there), BATCHES_TO_VERIFY)):
            stored = self._read(view)
            batch = self._batch(chance.randrange(0, len(self.split), BATCH), view)
            away = distance(self._now(batch).float(), stored[batch.index.cpu()].float())
            if not away <= TOLERANCE[self.precision]:
                raise InputError(
                    f"{self.path(view)} is not what this teacher says: its logits are {away:.2g} (relative) from "
                    f"the stored ones, {TOLERANCE[self.precision]:.2g} are allowed. If the teacher's code has changed, "
                    f"delete {self.folder}."
                )
        self._release_if_complete()
        with contextlib.suppress(OSError):
            os.utime(self.folder / "key.json")  # the time of the last use

    def _release_if_complete(self) -> None:
        if self.teacher and all(self.path(view).is_file() for view in range(self.views)):
            self.teacher.release()
            self.teacher = None

    def _now(self, batch: Batch) -> Float[Tensor, "B T K"]:
        """Ask the teacher; float16, on the CPU."""
        if self.teacher is None:
            raise InputError(f"A view was deleted from {self.folder} meanwhile. Give the same command again.")
        return self.teacher.answers(batch).logits.transpose(0, 1).half().cpu()

    def _batch(self, first: int, view: int) -> Batch:
        """Return the images from number `first` on."""
        index = torch.arange(first, min(first + BATCH, len(self.split)), device=self.split.labels.device)
        return Batch(index, view, self.split.take(index, view), self.split.labels[index])

    def _ask(self, view: int, stopping: threading.Event) -> Float[Tensor, "N T K"]:
        """Ask the teacher about all images."""
        answers: list[Tensor] = []
        for first in range(0, len(self.split), BATCH):
            if stopping.is_set():
                raise Stopped(f"Stopped while the teacher was asked about view {view}; its answers are not kept.")
            answers.append(self._now(self._batch(first, view)))
        logits = torch.cat(answers).contiguous()
        if not logits.isfinite().all():
            raise InputError(
                "The teacher's logits are not all finite in float16, which ends at 65504. Take a teacher whose are."
            )
        return logits

    def _write(self, view: int, logits: Float[Tensor, "N T K"]) -> None:
        said = self.ingredients | {"about": {"data": self.data}}
        write_atomically(self.folder / "key.json", (json.dumps(said, indent=2) + "\n").encode())
        tensors = {"logits": logits}
        header = {"key": self.key, "view": str(view), "sha256": tensors_digest(tensors)}
        write_atomically(self.path(view), to_bytes(tensors, header))

    def _read(self, view: int) -> Float[Tensor, "N T K"]:
        """Return what a file holds, once all of it is what was written."""
        logits, sha256 = self._open(view)
        if tensors_digest({"logits": logits}) != sha256:
            raise self._unusable(view, "is damaged: its content is not what was written")
        return logits

    def _open(self, view: int) -> tuple[Float[Tensor, "N T K"], str]:
        """Return a file's logits, mapped and not yet read, and their digest."""
        try:
            with safe_open(self.path(view), framework="pt") as file:
                header, logits = file.metadata() or {}, file.get_tensor("logits")
        except (SafetensorError, OSError, ValueError) as error:
            raise self._unusable(view, f"is truncated, damaged or of another kind ({error})") from error
        if (header.get("key"), header.get("view")) != (self.key, str(view)):
            raise self._unusable(view, "is of another teacher, other data or another view than its place says")
        expected = (len(self.split), self.classes)
        if logits.dim() != 3 or logits.dtype != torch.float16 or (logits.shape[0], logits.shape[2]) != expected:
            raise self._unusable(view, f"holds {logits.dtype} of shape {tuple(logits.shape)}, which does not fit")
        return logits, header.get("sha256", "")

    def _unusable(self, view: int, why: str) -> InputError:
        return InputError(f"{self.path(view)} {why}. Delete it to have the teacher asked again.")

    @contextlib.contextmanager
    def _locked(self, stopping: threading.Event) -> Iterator[None]:
        """One process at a time fills views; the others wait."""
        lock = FileLock(self.folder / ".lock")
        waiting = False
        while not lock.is_locked:
            try:
                lock.acquire(timeout=0.5)
            except Timeout:
                if stopping.is_set():
                    raise Stopped("Stopped while another process was asking the teacher.") from None
                if not waiting:
                    self.report.say(f"Another process is asking the teacher for {self.folder}; waiting for it.")
                waiting = True
        try:
            remove_partial_files(self.folder)
            yield
        finally:
            lock.release()


def open_store(recipe: Recipe, split: Split, teacher: LoadedTeacher, report: Reporter) -> StoredAnswers:
    """Return the stored answers of a recipe's teacher, verified.

    Raises:
        InputError: the folder cannot be made, or what is in it cannot be used; see `StoredAnswers.verify`.
    """
    what = ingredients(recipe, split, teacher)
    folder = Path(recipe.cache) / digest(what)[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--cache: {folder} cannot be made ({error.strerror}). Name another folder.") from error
    shown = recipe.data.augmented(split, recipe.view_seed)
    views = 1 if shown is split else min(recipe.views or recipe.epochs, recipe.epochs)
    store = StoredAnswers(
        identity=teacher.identity,
        folder=folder,
        ingredients=what,
        split=shown,
        data=recipe.data.name,
        classes=recipe.data.classes,
        views=views,
        teacher=teacher,
        precision=recipe.precision,
        report=report,
    )
    store.verify()
    return store


def ingredients(recipe: Recipe, split: Split, teacher: LoadedTeacher) -> dict[str, Any]:
    """Return everything that the stored logits are a function of, as plain data."""
    return {
        "format": FORMAT,
        "batch": BATCH,
        "images": recipe.data.augmented(split, recipe.view_seed).digest(),
        "precision": recipe.precision,
        "teacher": teacher.identity,
    }
