"""Several at once: processes and threads that ask for one recipe, and files that are replaced while they are read."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from spikedistill.machine import state_files
from spikedistill.machine.progress import Reporter
from spikedistill.methods import KDSNNResponse
from spikedistill.runs import train as runs
from spikedistill.runs.folder import begin, locked


class Listener(Reporter):
    """Keeps what is said."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def test_one_at_a_time_under_whatever_name(student, tmp_path):
    order = []
    listener = Listener()

    def other():
        with locked(replace(student, name="other"), tmp_path, listener):
            order.append("second")

    with locked(student, tmp_path, Reporter()):
        run = begin(student, tmp_path)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
    assert listener.said == [f"Another process is training {run.folder}; waiting for it."]


def trained(recipe, root, barrier, results):
    """In a process of its own: train when all are there, and say which folder it was and whether it trained."""
    torch.set_num_threads(1)
    listener = Listener()
    barrier.wait(60)
    try:
        run = runs.train_recipe(recipe, root, "cpu", listener)
        results.put(
            (run.folder.name, run.metrics["accuracy"], any("has run already" in line for line in listener.said))
        )
    except BaseException as error:
        results.put(error)


def test_processes_that_start_at_once_train_once(taught, tmp_path):
    """Under two names, with a teacher that none has trained yet."""
    recipe = taught(KDSNNResponse(), epochs=1)
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    names = ("one", "two", "one", "two")
    processes = [
        context.Process(target=trained, args=(replace(recipe, name=name), tmp_path, barrier, results)) for name in names
    ]
    for process in processes:
        process.start()
    got = [results.get(timeout=100) for _ in processes]
    for process in processes:
        process.join()
    assert len({result[:2] for result in got}) == 1, got
    assert sorted(again for *_, again in got) == [False, True, True, True]
    assert len(list(tmp_path.glob("*/metrics.json"))) == 2


def test_threads_that_start_at_once_train_once(student, tmp_path):
    barrier = threading.Barrier(8)

    def ask(number):
        barrier.wait(60)
        return runs.train_recipe(replace(student, epochs=1, name=f"name{number % 2}"), tmp_path, "cpu").folder

    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(ask, range(8)))
    assert len(folders) == len(list(tmp_path.glob("*/metrics.json"))) == 1


def test_partial_files_of_others_are_left_alone(student, tmp_path):
    """Another run's folder, and another process in the same one, have files of their own."""
    run = runs.train_recipe(student, tmp_path, "cpu")
    written = run.folder / "weights.safetensors"
    with state_files.atomically(written) as first, state_files.atomically(written) as second:
        first.write(b"first")
        second.write(b"second")
        assert first.name != second.name
    assert written.read_bytes() == b"first"
    theirs = run.folder / ".weights.safetensors.1-00000000.partial"
    theirs.write_bytes(b"half")
    runs.train_recipe(replace(student, seed=1), tmp_path, "cpu")
    assert theirs.exists()


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_file_that_is_replaced_while_it_is_read(size, tmp_path):
    """Each reading is one version: what was written, all of it."""
    path = tmp_path / "state"
    state_files.save(path, {"w": torch.zeros(size), "text": ""})
    stop = threading.Event()

    def write():
        for number in range(1, 10_000):
            if stop.is_set():
                return
            state_files.save(path, {"w": torch.full((size,), float(number)), "text": "x" * number})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(100):
            state = state_files.load(path)
            assert (state["w"] == len(state["text"])).all()
    finally:
        stop.set()
        thread.join()


def test_a_checkpoint_that_a_kill_left_beside_the_numbers_is_removed(student, tmp_path):
    run = runs.train_recipe(student, tmp_path, "cpu")
    run.checkpoint.write_bytes(b"of the last epoch")
    listener = Listener()
    assert runs.train_recipe(student, tmp_path, "cpu", listener).folder == run.folder
    assert not run.checkpoint.exists()
    assert listener.said == [f"{run.folder} has run already."]


def test_a_folder_that_is_moved_away_while_the_run_ends(student, tmp_path, monkeypatch):
    """It is not made again with numbers alone."""

    def moved(*arguments):
        (folder,) = tmp_path.glob("student-*")
        folder.rename(tmp_path / "elsewhere")
        return numbers(*arguments)

    numbers = runs.numbers
    monkeypatch.setattr(runs, "numbers", moved)
    with pytest.raises(OSError, match=r"metrics\.json cannot be written: No such file"):
        runs.train_recipe(student, tmp_path, "cpu")
    assert not list(tmp_path.glob("student-*"))


def test_numbers_without_weights_are_no_finished_run(student, tmp_path):
    run = runs.train_recipe(student, tmp_path, "cpu")
    weights = run.folder / "weights.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    assert not run.finished
    assert runs.train_recipe(student, tmp_path, "cpu").finished
    assert weights.read_bytes() == before
