"""The weights that were best on a validation split are kept beside the last ones; the test split has no say."""

from dataclasses import replace

import pytest

from spikedistill.errors import InputError
from spikedistill.evaluate.accuracy import accuracy
from spikedistill.machine import state_files
from spikedistill.runs import train as runs
from spikedistill.training import loop


@pytest.fixture
def recipe(student, stripes):
    """With a validation split, and training that jumps about."""
    return replace(student, data=stripes(validation=30), epochs=5, optimizer=replace(student.optimizer, momentum=0.0))


@pytest.fixture
def scripted(monkeypatch):
    """A function that makes the accuracies on the splits what it is told."""

    def script(validation, test):
        def evaluate(task, state):
            return {"validation_accuracy": validation[state.epoch], "accuracy": test[state.epoch]}

        monkeypatch.setattr(loop, "evaluate", evaluate)

    return script


def kept(monkeypatch):
    """The weights after each epoch, as they come."""
    weights = []
    finish = loop.finish_epoch

    def spy(task, state):
        weights.append({name: value.clone() for name, value in state.evaluated.state_dict().items()})
        finish(task, state)

    monkeypatch.setattr(loop, "finish_epoch", spy)
    return weights


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_they_are_those_of_the_first_best_epoch_on_the_validation_split(ema, recipe, scripted, tmp_path, monkeypatch):
    scripted(validation=(0.2, 0.6, 0.5, 0.6, 0.1), test=(0.1, 0.2, 0.3, 0.4, 0.9))
    weights = kept(monkeypatch)
    run = runs.train_recipe(replace(recipe, ema=ema), tmp_path, "cpu")
    best = state_files.load(run.folder / "weights-best.safetensors")
    assert state_files.tensors_digest(best) == state_files.tensors_digest(weights[1])
    last = state_files.load(run.folder / "weights.safetensors")
    assert state_files.tensors_digest(last) == state_files.tensors_digest(weights[4])
    assert run.metrics["accuracy_best_weights"] == "weights-best.safetensors"
    assert (run.metrics["accuracy_best_epoch"], run.metrics["accuracy_best_chosen_on"]) == (2, "validation")


def test_they_have_the_accuracy_that_the_metrics_say(recipe, tmp_path):
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    network = run.network()
    network.load_state_dict(state_files.load(run.folder / "weights-best.safetensors"))
    measured = accuracy(network, recipe.data.load().test, recipe.data, recipe.steps, "fp32").final
    assert measured == run.metrics["accuracy_best"]


def test_without_a_validation_split_none_are_kept(student, tmp_path):
    run = runs.train_recipe(student, tmp_path, "cpu")
    assert not (run.folder / "weights-best.safetensors").exists()
    assert "accuracy_best_weights" not in run.metrics


@pytest.mark.parametrize("killed", [3, 6, 9, 14])
def test_a_run_that_was_killed_keeps_the_same(killed, recipe, tmp_path, monkeypatch, interrupted):
    whole, parts = (
        run.folder / "weights-best.safetensors"
        for run in (
            runs.train_recipe(recipe, tmp_path / "whole", "cpu"),
            interrupted(recipe, tmp_path / "parts", monkeypatch, killed),
        )
    )
    assert whole.read_bytes() == parts.read_bytes()


def test_it_is_noticed_when_they_are_gone(recipe, tmp_path, monkeypatch, interrupt, Killed):
    with monkeypatch.context() as patch:
        interrupt(patch, 8)
        with pytest.raises(Killed):
            runs.train_recipe(recipe, tmp_path, "cpu")
    (path,) = tmp_path.glob("*/weights-best.safetensors")
    path.unlink()
    with pytest.raises(InputError, match=r"weights-best\.safetensors is missing"):
        runs.train_recipe(recipe, tmp_path, "cpu")
