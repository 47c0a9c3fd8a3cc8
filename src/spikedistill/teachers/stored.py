"""Teacher outputs, stored once and replayed exactly: `--teacher.cache DIR`.

    DIR/<key>/key.json                  what the key is made of, for people
    DIR/<key>/view-00003.safetensors    logits [N, T, K] in float16, by the images' numbers, of the view of epoch 3

A view is the whole training set as one epoch's augmentation shows it: stored logits are right for that view alone. The
key is a SHA-256 of everything that the logits are a function of: training images, augmentation, seed, batch size, and
the teacher's weights, T, statistics and precision. The method, its temperature and the student are not among them: a
second run with others of these reads what the first has written.

A run is the same bit for bit without stored outputs, writing them and reading them (on one kind of device, with as many
threads). A view is filled in the batches that its epoch asks for, because a kernel may round an image's last bits
differently in another batch; hence seed and batch size in the key. And a teacher's logits are rounded to float16
whether they are stored or not (see `LoadedTeacher.signals`).

With fewer views than epochs, which is an approximation, epoch e shows view e mod `views` to teacher and student, in an
order of its own. Where there is no augmentation, all views are the same images: one is enough.

A view's file appears whole or not at all; what a process that was killed had asked is asked again. Files are mapped
into memory, so that processes share them. One process at a time fills views, the others wait and read.
"""

import contextlib
import json
import math
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from spikedistill.data.batches import Batches
from spikedistill.data.split import Batch, Split
from spikedistill.errors import InputError, Stopped
from spikedistill.machine.device import Precision
from spikedistill.machine.progress import Reporter
from spikedistill.machine.state_files import remove_partial_files, tensors_digest, write_atomically
from spikedistill.methods.method import Signals
from spikedistill.recipe import Recipe
from spikedistill.teachers.load import LoadedTeacher
from spikedistill.values.plain import digest

FORMAT = 1
"""Version of the files; part of the key."""
BATCHES_TO_VERIFY = 4
TOLERANCE = {"fp32": 2.0**-6, "bf16": 2.0**-4}
"""Largest relative distance (Euclidean, over a batch) between stored and new logits, for fp32 and for bf16. On the
machine that wrote them it is 0; this leaves room for another one's kernels. A changed byte is found by the file's
digest, other weights by the key: this is for a teacher whose code has changed."""


@dataclass(frozen=True)
class StoredView:
    """What a teacher said of one view of the training set."""

    logits: Float[Tensor, "N T K"]
    """float16, on the device of the training images; on the CPU mapped from the file."""

    def signals(self, index: Int[Tensor, " B"]) -> Signals:
        """Return what the teacher said of the images with these numbers."""
        return Signals(self.logits[index].transpose(0, 1).contiguous().float())


@dataclass(frozen=True)
class TeacherCache:
    """The stored outputs of one key, and the teacher that is asked where they are missing."""

    folder: Path
    """The key's."""
    ingredients: dict[str, Any]
    """What the key is made of; see `ingredients`."""
    batches: Batches
    """Of the student's training."""
    teacher: LoadedTeacher
    precision: Precision
    """That the teacher runs in."""
    views: int
    """Views that the run needs."""
    classes: int
    """Of the data."""

    @property
    def key(self) -> str:
        """SHA-256 of the ingredients; in the header of each file."""
        return digest(self.ingredients)

    def path(self, view: int) -> Path:
        """Where a view is stored."""
        return self.folder / f"view-{view:05}.safetensors"

    def view(self, view: int, stopping: threading.Event, report: Reporter) -> StoredView:
        """Return a view; the teacher is asked first where it is not stored.

        Raises:
            InputError: the file is truncated, damaged, or of another teacher or other data; the teacher's logits are
                beyond float16.
            Stopped: SIGINT or SIGTERM came; nothing of the view is stored.
            NotSavedError: the disk is full, say.
        """
        if not self.path(view).is_file():
            with self._locked(stopping, report):
                if not self.path(view).is_file():
                    self._write(view, self._ask(view, stopping))
        if all(self.path(other).is_file() for other in range(self.views)):
            self.teacher.network.to("cpu")  # not needed any more: leaves the room to the student
        return StoredView(self._read(view).to(self.batches.split.labels.device))

    def verify(self) -> None:
        """Look at all files that the run will read, and ask the teacher again about a few random batches.

        Raises:
            InputError: a file is truncated or foreign, or the teacher says something else now.
        """
        there = [view for view in range(self.views) if self.path(view).is_file()]
        for view in there:
            self._open(view)
        chance = random.SystemRandom()
        for view in chance.sample(there, min(len(there), BATCHES_TO_VERIFY)):
            stored = self._read(view)
            batch = next(self.batches.epoch(view, chance.randrange(len(self.batches))))
            now = self._answers(batch).float()
            away = distance(now, stored[batch.index.cpu()].to(now.device).float())
            if not away <= TOLERANCE[self.precision]:
                raise InputError(
                    f"{self.path(view)} is not what this teacher says: its logits are {away:.2g} (relative) from "
                    f"the stored ones, {TOLERANCE[self.precision]:.2g} are allowed. If the teacher's code has changed, "
                    f"delete {self.folder}."
                )

    def _answers(self, batch: Batch) -> Float[Tensor, "B T K"]:
        """Ask the teacher; float16."""
        self.teacher.network.to(batch.images.device)
        return self.teacher.signals(batch.images, self.precision).logits.transpose(0, 1).half()

    def _ask(self, view: int, stopping: threading.Event) -> Float[Tensor, "N T K"]:
        """Ask the teacher about all images."""
        answers: list[Tensor] = []
        indices: list[Tensor] = []
        for batch in whole_view(self.batches, view):
            if stopping.is_set():
                raise Stopped(f"Stopped while the teacher was asked about view {view}; its answers are not kept.")
            answers.append(self._answers(batch).cpu())
            indices.append(batch.index.cpu())
        logits = torch.cat(answers)[torch.cat(indices).argsort()]
        if not logits.isfinite().all():
            raise InputError(
                "The teacher's logits are not all finite in float16, which ends at 65504. Take a teacher whose are."
            )
        return logits

    def _write(self, view: int, logits: Float[Tensor, "N T K"]) -> None:
        write_atomically(self.folder / "key.json", (json.dumps(self.ingredients, indent=2) + "\n").encode())
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
        expected = (len(self.batches.split), self.classes)
        if logits.dim() != 3 or logits.dtype != torch.float16 or (logits.shape[0], logits.shape[2]) != expected:
            raise self._unusable(view, f"holds {logits.dtype} of shape {tuple(logits.shape)}, which does not fit")
        return logits, header.get("sha256", "")

    def _unusable(self, view: int, why: str) -> InputError:
        return InputError(f"{self.path(view)} {why}. Delete it to have the teacher asked again.")

    @contextlib.contextmanager
    def _locked(self, stopping: threading.Event, report: Reporter) -> Iterator[None]:
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
                    report.say(f"Another process is asking the teacher for {self.folder}; waiting for it.")
                waiting = True
        try:
            remove_partial_files(self.folder)
            yield
        finally:
            lock.release()


def open_cache(recipe: Recipe, split: Split, teacher: LoadedTeacher) -> TeacherCache | None:
    """Return the stored outputs of a recipe's teacher, verified; None where the recipe names no folder for them.

    Raises:
        InputError: the folder cannot be made, or what is in it cannot be used; see `TeacherCache.verify`.
    """
    if recipe.teacher is None or not recipe.teacher.cache:
        return None
    what = ingredients(recipe, split, teacher)
    folder = Path(recipe.teacher.cache) / digest(what)[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--teacher.cache: {folder} cannot be made ({error.strerror}). Name another folder."
        ) from error
    batches = Batches(recipe.data.augmented(split, recipe.seed), recipe.batch_size, recipe.seed)
    views = min(recipe.teacher.views or recipe.epochs, recipe.epochs)
    cache = TeacherCache(folder, what, batches, teacher, recipe.precision, views, recipe.data.classes)
    cache.verify()
    return cache


def ingredients(recipe: Recipe, split: Split, teacher: LoadedTeacher) -> dict[str, Any]:
    """Return everything that the stored logits are a function of, as plain data."""
    return {
        "format": FORMAT,
        "images": recipe.data.augmented(split, recipe.seed).digest(),
        "seed": recipe.seed,
        "batch_size": recipe.batch_size,
        "precision": recipe.precision,
        "teacher": {
            "weights": teacher.weights_digest,
            "steps": teacher.steps,
            "mean": list(teacher.mean),
            "std": list(teacher.std),
        },
    }


def distance(now: Float[Tensor, "B T K"], before: Float[Tensor, "B U K"]) -> float:
    """Return the Euclidean distance relative to `before`; infinite where the steps are not as many."""
    if now.shape != before.shape:
        return math.inf
    return float(torch.dist(now, before) / torch.linalg.vector_norm(before).clamp_min(1e-12))


def whole_view(batches: Batches, view: int) -> Iterator[Batch]:
    """Yield the batches of epoch `view`, and last the images that it leaves out."""
    yield from batches.epoch(view)
    left_out = batches.order(view)[len(batches) * batches.batch_size :]
    if len(left_out):
        yield batches.batch(left_out, view)
