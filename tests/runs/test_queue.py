"""What is trained when: teachers first, each once, others' work left to them, failures kept to what they teach."""

import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from spikedistill.errors import Busy, Stopped
from spikedistill.machine.progress import Reporter
from spikedistill.methods import KDSNNResponse
from spikedistill.runs import queue as queues
from spikedistill.runs.folder import locked
from spikedistill.runs.queue import queue_of, work_through, work_through_at_once
from spikedistill.runs.train import check, contexts, resolve, train_recipe
from spikedistill.runs.worker import Worker, WorkerFailed


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(queues, "SECONDS_TO_WAIT", 0.02)


@pytest.fixture
def resolved(tmp_path):
    import torch

    context_of = contexts(tmp_path, torch.device("cpu"), Reporter())

    def resolve_all(*recipes):
        return [resolve(checked, context_of(checked)) for checked in map(check, recipes)]

    return resolve_all


def nobody(task, queue, seconds):
    pass


def test_a_shared_teacher_comes_first_and_once(resolved, taught, tmp_path):
    recipes = resolved(taught(KDSNNResponse()), taught(KDSNNResponse(alpha=0.9)))
    queue, order = queue_of(recipes, tmp_path), []

    def work(recipe):
        order.append(recipe.name + str(recipe.method))
        return "done"

    work_through(queue, work, nobody)
    assert [name[:7] for name in order] == ["teacher", "student", "student"]
    assert queue.count("done") == 3
    assert not queue.failed


def test_what_fails_takes_along_what_it_teaches_and_nothing_else(resolved, taught, student, tmp_path):
    recipes = resolved(taught(KDSNNResponse()), student)
    queue, told = queue_of(recipes, tmp_path), []

    def work(recipe):
        if recipe.name == "teacher":
            raise ValueError("no such luck")
        return "done"

    work_through(queue, work, lambda task, queue, seconds: told.append((task.recipe.name, task.state)))
    assert told == [("teacher", "failed"), ("student", "done")]
    problems = queue.failed
    assert problems[recipes[0].hash] == "its teacher teacher could not be trained: no such luck"
    assert recipes[1].hash not in problems


def test_what_another_process_works_on_is_asked_for_again_later(resolved, student, tmp_path):
    recipes = resolved(student, replace(student, seed=1))
    queue, order = queue_of(recipes, tmp_path), []

    def work(recipe):
        order.append(recipe.seed)
        return "busy" if order.count(0) == 1 and recipe.seed == 0 else "done"

    work_through(queue, work, nobody)
    assert order == [0, 1, 0]


def test_at_once_never_takes_a_task_twice_nor_before_its_teacher(resolved, taught, tmp_path):
    recipes = resolved(*(taught(KDSNNResponse(), seed=seed) for seed in range(4)))
    queue, finished, lock = queue_of(recipes, tmp_path), [], threading.Lock()

    def work(recipe):
        time.sleep(0.01)
        with lock:
            assert recipe.teacher is None or "teacher" in finished
            finished.append(recipe.name)
        return "done"

    work_through_at_once(queue, [work] * 3, nobody, lambda: None)
    assert sorted(finished) == ["student"] * 4 + ["teacher"]


def test_stopped_means_nothing_more_is_begun(resolved, student, tmp_path):
    queue = queue_of(resolved(*(replace(student, seed=seed) for seed in range(3))), tmp_path)
    begun = []

    def work(recipe):
        begun.append(recipe.seed)
        raise Stopped("Stopped.")

    with pytest.raises(Stopped):
        work_through(queue, work, nobody)
    assert begun == [0]
    assert queue.take() is None


def test_a_recipe_that_another_works_on_is_busy(resolved, student, tmp_path):
    (recipe,) = resolved(student)
    with locked(recipe, tmp_path, Reporter()), pytest.raises(Busy):
        train_recipe(student, tmp_path, "cpu", wait=False)


def test_a_worker_trains_in_a_process_of_its_own(resolved, tmp_path):
    """Of a data set of this library: what the tests define, another process does not know."""
    from spikedistill.recipes.digits import scratch

    (recipe,) = resolved(replace(scratch, epochs=1))
    worker = Worker(tmp_path, "cpu", 1, ())
    assert worker(recipe) == "done"
    assert list(tmp_path.glob("digits-scratch-*/metrics.json"))
    with locked(replace(recipe, epochs=2), tmp_path, Reporter()):
        assert worker(replace(recipe, epochs=2)) == "busy"


def test_a_worker_says_why_it_failed_and_that_it_was_killed(resolved, tmp_path):
    from spikedistill.recipes.digits import scratch

    (recipe,) = resolved(scratch)
    with pytest.raises(WorkerFailed, match="no Python file"):
        Worker(tmp_path, "cpu", 1, ("nothing.txt",))(recipe)
    worker, said = Worker(tmp_path, "cpu", 1, ()), []

    def work():
        try:
            worker(recipe)
        except WorkerFailed as error:
            said.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    while worker.process is None:
        time.sleep(0.01)
    worker.process.kill()
    thread.join(60)
    assert said == ["its process was killed (SIGKILL); asked for again, it goes on from what is saved"]


def test_a_worker_that_is_stopped_ends_and_says_so(resolved, tmp_path):
    from spikedistill.recipes.digits import scratch

    (recipe,) = resolved(replace(scratch, epochs=10_000))
    worker, said = Worker(tmp_path, "cpu", 1, ()), []

    def work():
        try:
            worker(recipe)
        except Stopped:
            said.append("stopped")

    thread = threading.Thread(target=work)
    thread.start()
    while not list(tmp_path.glob("*/run.json")) and thread.is_alive():
        time.sleep(0.05)
    worker.stop()
    thread.join(60)
    assert said == ["stopped"]
    with pytest.raises(Stopped):
        worker(recipe)


def test_the_worker_is_a_program(tmp_path):
    asked = subprocess.run(
        [sys.executable, "-m", "spikedistill.runs.worker"], input="{}", capture_output=True, text=True, timeout=120
    )
    assert asked.returncode == 1
