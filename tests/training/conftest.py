"""A training that is killed, and what is left of it in the end."""

import json

import pytest
import torch

from spikedistill.machine import state_files
from spikedistill.runs import train as runs
from spikedistill.training import loop

TIMES = {"seconds", "images_per_second"}


class Killed(BaseException):
    """Nothing catches it, so nothing is saved: as SIGKILL, but within this process."""


def logged(folder):
    """The lines of a run's log."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def outcome(run):
    """Everything of a finished run but the times."""
    weights = state_files.load(run.folder / "weights.safetensors")
    metrics = {name: value for name, value in run.metrics.items() if name not in TIMES}
    log = [{name: value for name, value in record.items() if name not in TIMES} for record in logged(run.folder)]
    return state_files.tensors_digest(weights), metrics, log


def interrupt(monkeypatch, steps):
    """Kill the training before its step number `steps`, counted over the whole session."""
    count = iter(range(10_000))
    step = loop.train_step

    def counted(*arguments):
        if next(count) == steps:
            raise Killed
        return step(*arguments)

    monkeypatch.setattr(loop, "train_step", counted)


def interrupted(recipe, root, monkeypatch, steps, save_each_step=True):
    """Train with an interruption, and again to the end."""
    with monkeypatch.context() as patch:
        if save_each_step:
            patch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
        interrupt(patch, steps)
        with pytest.raises(Killed):
            runs.train_recipe(recipe, root, "cpu")
    torch.manual_seed(999)  # nothing may depend on what the process did before
    return runs.train_recipe(recipe, root, "cpu")


@pytest.fixture(name="Killed")
def _killed():
    return Killed


@pytest.fixture(name="outcome")
def _outcome():
    return outcome


@pytest.fixture(name="logged")
def _logged():
    return logged


@pytest.fixture(name="interrupt")
def _interrupt():
    return interrupt


@pytest.fixture(name="interrupted")
def _interrupted():
    return interrupted
