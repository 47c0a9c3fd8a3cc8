"""What a table has to train, teachers first, each recipe once; one after the other or by several processes.

Processes share the folder of runs with each other and with other commands: what another one works on is left to it and
asked for again later. A training that fails or whose process is killed takes what it teaches with it; the rest goes on.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from spikedistill.errors import Stopped
from spikedistill.machine.interrupts import stop_signal
from spikedistill.recipe import Recipe, recipes_in
from spikedistill.runs.folder import find

State = Literal["waiting", "running", "done", "failed"]
Told = Literal["done", "busy"]
SECONDS_TO_WAIT = 1.0
"""Until what another process works on is asked for again."""


@dataclass(eq=False)
class Task:
    """A recipe to be trained."""

    recipe: Recipe
    """Resolved."""
    needs: list["Task"]
    """Of its teachers."""
    state: State = "waiting"
    problem: str = ""
    not_before: float = 0.0
    """Of the monotonic clock."""


@dataclass
class Queue:
    """Tasks in an order in which teachers come first; shared by threads."""

    tasks: list[Task]
    changed: threading.Condition = field(default_factory=threading.Condition)
    stopped: bool = False

    def take(self) -> Task | None:
        """Return the next task, now running; None where nothing is left, or where it is stopped. Waits if it must."""
        with self.changed:
            while not self.stopped:
                self._fail_the_taught()
                now = time.monotonic()
                waiting = [task for task in self.tasks if task.state == "waiting"]
                for task in waiting:
                    if task.not_before <= now and all(need.state == "done" for need in task.needs):
                        task.state = "running"
                        return task
                if not waiting:
                    return None
                self.changed.wait(SECONDS_TO_WAIT)
        return None

    def finish(self, task: Task, told: Told | None, problem: str = "") -> None:
        """Say how a task has ended: `told`, or with a problem where it is None."""
        with self.changed:
            task.state = "done" if told == "done" else "waiting" if told == "busy" else "failed"
            task.problem = problem
            task.not_before = time.monotonic() + (SECONDS_TO_WAIT if told == "busy" else 0.0)
            if told == "busy":  # the next free one goes first
                self.tasks.remove(task)
                self.tasks.append(task)
            self.changed.notify_all()

    def stop(self) -> None:
        """Give out nothing more."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()

    @property
    def failed(self) -> dict[str, str]:
        """Why trainings have failed, by the recipe's hash."""
        return {task.recipe.hash: task.problem for task in self.tasks if task.state == "failed"}

    def count(self, *states: State) -> int:
        """Return how many tasks are in one of these states."""
        return sum(task.state in states for task in self.tasks)

    def _fail_the_taught(self) -> None:
        """Give up what has a teacher that could not be trained, what that one teaches, and so on."""
        for task in sorted(self.tasks, key=_depth):
            broken = next((need for need in task.needs if need.state == "failed"), None)
            if task.state == "waiting" and broken is not None:
                task.state = "failed"
                task.problem = f"its teacher {broken.recipe.name} could not be trained: {broken.problem}"


def _depth(task: Task) -> int:
    return 1 + max(map(_depth, task.needs), default=0)


def queue_of(recipes: Iterable[Recipe], root: Path) -> Queue:
    """Return what is to be trained for these resolved recipes; what has run already is done.

    Raises:
        InputError: a folder of runs is damaged, or of another version.
    """
    tasks: dict[str, Task] = {}

    def add(recipe: Recipe) -> Task:
        if recipe.hash not in tasks:
            run = find(recipe, root)
            done = run is not None and run.finished
            needs = [] if done else [add(inner) for part in recipe.parts for inner in recipes_in(part)]
            tasks[recipe.hash] = Task(recipe, needs, "done" if done else "waiting")
        return tasks[recipe.hash]

    for recipe in recipes:
        add(recipe)
    return Queue(list(tasks.values()))


Work = Callable[[Recipe], Told]
"""Trains a recipe; says `busy` where another process does. Raises what training raises, `Stopped` if it was stopped."""
Ended = Callable[[Task, Queue, float], None]
"""Is told a task that has ended, and the seconds that it took."""


def work_through(queue: Queue, work: Work, ended: Ended) -> None:
    """Train all that a queue holds, one after the other, in this thread.

    Raises:
        Stopped: the user stopped it; what was trained stands, and the rest can be resumed.
    """
    while (task := queue.take()) is not None:
        before = time.monotonic()
        told: Told | None = None
        problem = ""
        try:
            told = work(task.recipe)
        except (Stopped, KeyboardInterrupt):
            queue.finish(task, "busy")
            queue.stop()
            raise
        except Exception as error:
            problem = str(error) or type(error).__name__
        queue.finish(task, told, problem)
        if told != "busy":
            ended(task, queue, time.monotonic() - before)


def work_through_at_once(queue: Queue, works: Sequence[Work], ended: Ended, stop: Callable[[], None]) -> None:
    """Train all that a queue holds, as many at a time as there are `works`, each called in a thread of its own.

    Args:
        queue: What to train.
        works: One for each thread.
        ended: Called by one thread at a time.
        stop: Called once when the user asks to stop: lets what is running end early.

    Raises:
        Stopped: see `work_through`.
    """
    lock = threading.Lock()

    def told(task: Task, queue: Queue, seconds: float) -> None:
        with lock:
            ended(task, queue, seconds)

    def run(work: Work) -> None:
        with suppress(Stopped):  # the thread that waits below says so
            work_through(queue, work, told)

    with stop_signal() as asked:
        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                if asked.is_set() and not queue.stopped:
                    queue.stop()
                    stop()
    if asked.is_set():
        raise Stopped("Stopped.")
