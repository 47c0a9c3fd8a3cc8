"""A run that was interrupted, anywhere, ends as one that never was: the same weights bit for bit, the same numbers."""

import os
import signal
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from spikedistill.errors import InputError, NotSavedError, Stopped
from spikedistill.machine import state_files
from spikedistill.machine.progress import Reporter
from spikedistill.methods import DKD, TET, TKS, TSER, KDSNNResponse, Method, MethodModule
from spikedistill.methods.divergences import cross_entropy
from spikedistill.models import MLP, ConvNet
from spikedistill.neurons import PLIF
from spikedistill.optim import SGD, Adam, AdamW, Cosine, Muon, Phase, Step, Triangle
from spikedistill.runs import train as runs
from spikedistill.training import loop


@dataclass(frozen=True)
class Hinted(Method):
    """Maps the student to the teacher with a trained layer, batch norm (buffers) and dropout (random numbers)."""

    name: ClassVar[str] = "hinted"
    student_taps: ClassVar[tuple[str, ...]] = ("stages",)
    teacher_taps: ClassVar[tuple[str, ...]] = ("conv_acts.0",)

    def build(self, student, teacher):
        return Connector(*(side.signals.taps["conv_acts.0"].shape[2] for side in (student, teacher)))


class Connector(MethodModule):
    def __init__(self, inputs, outputs):
        super().__init__(self.losses)
        self.connector = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))

    def losses(self, student, teacher, labels):
        mine, theirs = (signals.taps["conv_acts.0"].mean(0) for signals in (student, teacher))
        distance = (self.connector(nn.functional.dropout(mine, 0.2)) - theirs).square().mean()
        return {"cross_entropy": cross_entropy(student.logits, labels), "hint": distance}


VARIANTS = {
    "sgd": {},
    "nesterov": {"optimizer": SGD(0.05, nesterov=True), "schedule": Step(1.0)},
    "adam": {"optimizer": Adam(1e-2), "schedule": Cosine(0.5)},
    "adamw": {"optimizer": AdamW(1e-2), "method": TET()},
    "ema": {"ema": 0.9, "optimizer": Adam(1e-2)},
    "clipped": {"clip_norm": 0.1},
    "bf16": {"precision": "bf16"},
    "phases": {"phases": (Phase(0.3, steps=1, batch_size=60), Phase(0.6, backward="rate"), Phase(1.0)), "epochs": 3},
    "drawn-steps": {"phases": (Phase(1.0, fewest_steps=1),)},
    "reestimated": {"ema": 0.9, "reestimate": 60, "phases": (Phase(0.4, steps=1), Phase(1.0))},
    "norm-biases": {"optimizer": SGD(0.05, norm_bias_factor=8.0), "schedule": Triangle()},
    "muon": {"optimizer": Muon(0.05, nesterov=True), "model": ConvNet((4, 4), (8,))},
    "learned-neuron": {"neuron": PLIF(), "model": MLP((16, 8))},
    "ramped": {"method": TKS()},
    "dropout": {"model": ConvNet((4,), (8,), dropout=0.3)},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_resumed_run_equals_uninterrupted(variant, student, tmp_path, monkeypatch, outcome, interrupted):
    recipe = replace(student, **VARIANTS[variant])
    whole = outcome(runs.train_recipe(recipe, tmp_path / "whole", "cpu"))
    assert outcome(interrupted(recipe, tmp_path / "parts", monkeypatch, steps=6)) == whole


@pytest.mark.parametrize(
    ("steps", "save_each_step"), [(0, True), (1, True), (4, True), (7, True), (6, False), (3, False)]
)
def test_wherever_it_stops(steps, save_each_step, student, augmented, tmp_path, monkeypatch, outcome, interrupted):
    """Before the first step, within an epoch, at its end, and with the last save some steps ago."""
    recipe = replace(student, data=replace(augmented, validation=30), batch_size=20)
    whole = outcome(runs.train_recipe(recipe, tmp_path / "whole", "cpu"))
    assert outcome(interrupted(recipe, tmp_path / "parts", monkeypatch, steps, save_each_step)) == whole


@pytest.mark.parametrize("method", [KDSNNResponse(), TSER(), DKD(warmup=0.7), Hinted()], ids=lambda method: method.name)
def test_with_a_teacher(method, taught, augmented, tmp_path, monkeypatch, outcome, interrupted):
    recipe = taught(method, data=augmented, optimizer=AdamW(1e-2))
    whole = outcome(runs.train_recipe(recipe, tmp_path / "whole", "cpu"))
    root = tmp_path / "parts"
    runs.train_recipe(recipe.teacher.recipe, root, "cpu")
    assert outcome(interrupted(recipe, root, monkeypatch, steps=6)) == whole


def test_trained_parts_of_a_method_are_in_the_checkpoint(taught, tmp_path, monkeypatch, interrupt, Killed):
    """Or the test above would pass for a method whose parts start anew and do not matter."""
    recipe = taught(Hinted())
    runs.train_recipe(recipe.teacher.recipe, tmp_path, "cpu")
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
    interrupt(monkeypatch, 6)
    with pytest.raises(Killed):
        runs.train_recipe(recipe, tmp_path, "cpu")
    (path,) = tmp_path.glob("student-*/checkpoint.safetensors")
    saved = state_files.load(path)
    assert {"connector.0.weight", "connector.1.running_mean"} <= set(saved["method"])
    assert (saved["epoch"], saved["step"]) == (1, 2)


def test_a_teacher_is_interrupted_and_resumed_like_any_run(taught, tmp_path, monkeypatch, outcome, interrupted):
    recipe = taught(KDSNNResponse())
    whole = outcome(runs.train_recipe(recipe, tmp_path / "whole", "cpu"))
    assert outcome(interrupted(recipe, tmp_path / "parts", monkeypatch, steps=5)) == whole


def test_two_interruptions_and_other_random_numbers_in_between(
    student, tmp_path, monkeypatch, outcome, interrupt, Killed
):
    recipe = replace(student, ema=0.5, optimizer=Adam(1e-2))
    whole = outcome(runs.train_recipe(recipe, tmp_path / "whole", "cpu"))
    for steps in (2, 3):
        with monkeypatch.context() as patch:
            patch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
            interrupt(patch, steps)
            with pytest.raises(Killed):
                runs.train_recipe(recipe, tmp_path / "parts", "cpu")
        torch.rand(17)
    assert outcome(runs.train_recipe(recipe, tmp_path / "parts", "cpu")) == whole


def test_a_run_that_had_only_to_be_written_down(student, tmp_path, monkeypatch, outcome):
    """The disk is full when the weights, or the numbers, of the last epoch are written."""
    whole = outcome(runs.train_recipe(student, tmp_path / "whole", "cpu"))
    for name in ("weights.safetensors", "metrics.json"):
        with monkeypatch.context() as patch:
            full_for(patch, name)
            with pytest.raises(NotSavedError, match=f"{name} cannot be written"):
                runs.train_recipe(student, tmp_path / name, "cpu")
        assert outcome(runs.train_recipe(student, tmp_path / name, "cpu")) == whole
        (folder,) = (tmp_path / name).glob("student-*")
        assert not (folder / "checkpoint.safetensors").exists()


def full_for(patch, name):
    """The disk is full for files of this name."""
    fsync = os.fsync

    def fail(descriptor):
        if f".{name}." in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    patch.setattr(os, "fsync", fail)


@pytest.mark.parametrize("name", ["log.jsonl", "checkpoint.safetensors"])
def test_a_full_disk_during_training_loses_nothing(name, student, tmp_path, monkeypatch, outcome, interrupt, Killed):
    whole = outcome(runs.train_recipe(student, tmp_path / "whole", "cpu"))
    root = tmp_path / "parts"
    with monkeypatch.context() as patch:
        patch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
        interrupt(patch, 6)
        with pytest.raises(Killed):
            runs.train_recipe(student, root, "cpu")
    (path,) = root.glob("*/checkpoint.safetensors")
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        full_for(patch, name)
        with pytest.raises(NotSavedError, match=f"{name} cannot be written: No space left on device"):
            runs.train_recipe(student, root, "cpu")
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.partial"))
    assert outcome(runs.train_recipe(student, root, "cpu")) == whole


def test_partial_files_of_a_killed_process_are_removed(student, tmp_path, monkeypatch, interrupted, interrupt, Killed):
    run = interrupted(student, tmp_path, monkeypatch, steps=3)
    with monkeypatch.context() as patch:
        interrupt(patch, 3)
        with pytest.raises(Killed):
            runs.train_recipe(replace(student, seed=1), tmp_path, "cpu")
    (other,) = (folder for folder in tmp_path.glob("student-*") if folder != run.folder)
    left = other / ".checkpoint.safetensors.99.partial"
    left.write_bytes(b"half")
    runs.train_recipe(replace(student, seed=1), tmp_path, "cpu")
    assert not left.exists()


class StopAfter(Reporter):
    """Sends this process SIGINT at a step."""

    def __init__(self, steps):
        self.steps = steps

    def advance(self):
        self.steps -= 1
        if self.steps == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("steps", "batch_size"), [(2, 30), (4, 30), (1, 120)])
def test_ctrl_c_saves_and_the_run_goes_on(steps, batch_size, student, tmp_path, outcome):
    """Within an epoch, at its end, and in epochs of one step."""
    recipe = replace(student, batch_size=batch_size)
    whole = outcome(runs.train_recipe(recipe, tmp_path / "whole", "cpu"))
    with pytest.raises(Stopped, match="the state is saved"):
        runs.train_recipe(recipe, tmp_path / "parts", "cpu", StopAfter(steps))
    assert outcome(runs.train_recipe(recipe, tmp_path / "parts", "cpu")) == whole


def test_ctrl_c_in_the_last_step_does_not_throw_the_run_away(student, tmp_path):
    assert runs.train_recipe(student, tmp_path, "cpu", StopAfter(8)).finished


def test_a_damaged_checkpoint_is_named(student, tmp_path, monkeypatch, interrupt, Killed):
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
    interrupt(monkeypatch, 3)
    with pytest.raises(Killed):
        runs.train_recipe(student, tmp_path, "cpu")
    (path,) = tmp_path.glob("*/checkpoint.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with pytest.raises(InputError, match=r"checkpoint.safetensors is truncated, damaged .* delete its folder"):
        runs.train_recipe(student, tmp_path, "cpu")
    for state in ({"w": torch.ones(1)}, {"student": {"w": torch.ones(1)}}, [1, 2], None):
        state_files.save(path, state)
        with pytest.raises(InputError, match=r"checkpoint\.safetensors does not fit its recipe"):
            runs.train_recipe(student, tmp_path, "cpu")


def test_a_teacher_that_has_changed_is_noticed(taught, tmp_path, monkeypatch, interrupted, interrupt, Killed):
    """Someone has trained the teacher again, elsewhere, with other weights, while the student's run was interrupted."""
    recipe = taught(KDSNNResponse())
    teacher = runs.train_recipe(recipe.teacher.recipe, tmp_path, "cpu")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
        interrupt(patch, 3)
        with pytest.raises(Killed):
            runs.train_recipe(recipe, tmp_path, "cpu")
    weights = state_files.load(teacher.folder / "weights.safetensors")
    state_files.save(teacher.folder / "weights.safetensors", weights | {"head.weight": weights["head.weight"] + 1})
    with pytest.raises(InputError, match="other weights than when this run began"):
        runs.train_recipe(recipe, tmp_path, "cpu")
