"""A process that trains one recipe and ends; `python -m spikedistill.runs.worker` reads what to train from stdin.

It has a process group of its own: Ctrl-C is the parent's, which passes it on once.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from spikedistill.errors import Busy, InputError, Stopped
from spikedistill.recipe import Recipe
from spikedistill.runs.queue import Told
from spikedistill.values.plain import from_json, to_json

DONE, FAILED, BUSY, STOPPED = 0, 1, 75, 130
LONGEST = 2000
"""Characters of what a failed process said last."""


class WorkerFailed(RuntimeError):  # noqa: N818
    """A process did not train its recipe to the end; says why."""


@dataclass
class Worker:
    """Trains recipes one at a time, each in a process of its own."""

    root: Path
    device: str
    threads: int
    files: tuple[str, ...]
    """Of the user's, which define what recipes may name."""
    process: "subprocess.Popen[str] | None" = None
    stopping: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, recipe: Recipe) -> Told:
        """Train a recipe.

        Raises:
            WorkerFailed: it could not be trained, or its process was killed.
            Stopped: `stop` was called.
        """
        asked = {
            "recipe": to_json(recipe),
            "root": str(self.root),
            "device": self.device,
            "files": self.files,
        }
        with self.lock:
            if self.stopping:
                raise Stopped("Stopped.")
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": str(self.threads), "MKL_NUM_THREADS": str(self.threads)},
            )
        _, said = self.process.communicate(json.dumps(asked))
        code = self.process.returncode
        if code == DONE:
            return "done"
        if code == BUSY:
            return "busy"
        if code == STOPPED or self.stopping:
            raise Stopped("Stopped.")
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            raise WorkerFailed(f"its process was killed ({name}); asked for again, it goes on from what is saved")
        raise WorkerFailed(said.strip().rpartition("\n")[2][-LONGEST:] or f"its process ended with code {code}")

    def stop(self) -> None:
        """Let the process save and end."""
        with self.lock:
            self.stopping = True
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)


def main() -> int:
    """Train the recipe that stdin holds; returns the exit code, and says on stderr what went wrong."""
    from spikedistill.recipes import _files as recipe_files
    from spikedistill.runs.train import train_recipe

    asked = json.load(sys.stdin)
    try:
        for file in asked["files"]:
            recipe_files.run_file(Path(file))
        train_recipe(from_json(Recipe, asked["recipe"], "recipe"), asked["root"], asked["device"], wait=False)
    except Busy:
        return BUSY
    except Stopped:
        return STOPPED
    except (InputError, RuntimeError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return FAILED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
