"""`train --log tensorboard`: what TensorBoard reads is what log.jsonl says, through interruptions too."""

import json
import sys
from dataclasses import replace

import pytest

from spikedistill.errors import InputError, Stopped
from spikedistill.machine.progress import Forwarding, Reporter
from spikedistill.machine.tensorboard import FOLDER, TensorBoard
from spikedistill.runs.train import train_recipe

pytest.importorskip("tensorboard")


def scalars(folder):
    """What TensorBoard shows of a run: tag -> [(step, value)]."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder / FOLDER), purge_orphaned_data=True)
    read.Reload()
    return {tag: [(one.step, one.value) for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def matches_the_log(folder, epochs):
    shown, log = scalars(folder), log_of(folder)
    assert len(log) == epochs
    for name in ("accuracy", "train_accuracy", "learning_rate"):
        assert shown[f"epoch/{name}"] == [(one["epoch"], pytest.approx(one[name])) for one in log]
    losses = [(one["epoch"], pytest.approx(one["losses"]["cross_entropy"])) for one in log]
    assert shown["epoch/losses/cross_entropy"] == losses
    steps = [step for step, _ in shown["step/losses/cross_entropy"]]
    assert steps == sorted(set(steps))
    return steps


class StopsAfter(Forwarding):
    """Ends the training after so many epochs, as a signal would."""

    def __init__(self, inner, epochs):
        super().__init__(inner)
        self.left = epochs

    def epoch(self, record):
        super().epoch(record)
        self.left -= 1

    def step(self, *numbers):
        super().step(*numbers)
        if self.left == 0:
            raise Stopped("enough")


def test_the_curves_are_those_of_the_log(student, tmp_path):
    run = train_recipe(replace(student, epochs=3), tmp_path, "cpu", TensorBoard(Reporter()))
    steps = matches_the_log(run.folder, 3)
    assert steps[-1] == 3 * (120 // run.recipe.batch_size)


def test_a_run_that_was_stopped_goes_on_in_its_curves(student, tmp_path):
    recipe = replace(student, epochs=4)
    with pytest.raises(Stopped):
        train_recipe(recipe, tmp_path, "cpu", StopsAfter(TensorBoard(Reporter()), 2))
    run = train_recipe(recipe, tmp_path, "cpu", TensorBoard(Reporter()))
    matches_the_log(run.folder, 4)


def test_epochs_from_before_it_was_asked_for_are_there(student, tmp_path):
    recipe = replace(student, epochs=3)
    with pytest.raises(Stopped):
        train_recipe(recipe, tmp_path, "cpu", StopsAfter(Reporter(), 1))
    run = train_recipe(recipe, tmp_path, "cpu", TensorBoard(Reporter()))
    matches_the_log(run.folder, 3)


def test_it_changes_no_number(student, tmp_path):
    plain = train_recipe(student, tmp_path / "plain", "cpu")
    logged = train_recipe(student, tmp_path / "logged", "cpu", TensorBoard(Reporter()))
    assert logged.metrics["accuracy_by_step"] == plain.metrics["accuracy_by_step"]


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"pip install tensorboard"):
        TensorBoard(Reporter())
