"""The command, killed or stopped from outside, in processes of its own: it ends as one that never was."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from spikedistill.machine import state_files
from spikedistill.recipes import _files as recipe_files
from spikedistill.runs import train as runs

RECIPES = """
from dataclasses import replace
from spikedistill.data.dataset import Augment
from spikedistill.data.digits import Digits
from spikedistill.methods import TSER
from spikedistill.models import ConvNet
from spikedistill.neurons import ReLU
from spikedistill.optim import SGD, AdamW
from spikedistill.recipe import Recipe
from spikedistill.teachers import FromRecipe

_data = Digits(train_size=200, augment=Augment(crop=1, cutout=2))
sgd = Recipe(data=_data, model=ConvNet((4,), (8,)), optimizer=SGD(0.05), batch_size=20, epochs=2, steps=2)
taught = replace(
    sgd,
    optimizer=AdamW(0.01),
    ema=0.9,
    clip_norm=1.0,
    method=TSER(),
    teacher=FromRecipe(replace(sgd, neuron=ReLU(), epochs=1, name="its-teacher")),
)
"""

HELD = """
import os, sys, time
from spikedistill.cli import main as cli
from spikedistill.training import loop
loop.SECONDS_BETWEEN_SAVES = -1.0
step = loop.train_step
def hold(task, state, *rest):
    while (state.epoch, state.step) == (1, 4) and os.path.exists("hold"):
        time.sleep(0.01)
    return step(task, state, *rest)
loop.train_step = hold
sys.exit(cli.main())
"""

KILLED_WHILE_SAVING = """
import os, signal, sys
from spikedistill.machine import state_files
from spikedistill.cli import main as cli
from spikedistill.training import loop
loop.SECONDS_BETWEEN_SAVES = -1.0
fsync, save, saves = os.fsync, loop.save, []
def kill_half_way(descriptor):
    if len(saves) == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)
os.fsync = kill_half_way
loop.save = lambda *arguments: saves.append(1) or save(*arguments)
sys.exit(cli.main())
"""

DISK_FULL = """
import resource, sys
from spikedistill.cli import main as cli
from spikedistill.training import loop
loop.SECONDS_BETWEEN_SAVES = -1.0
save, saves = loop.save, []
def fill(*arguments):
    saves.append(1)
    if len(saves) == 13:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    save(*arguments)
loop.save = fill
sys.exit(cli.main())
"""


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "my_recipes.py"
    path.write_text(RECIPES)
    return path


@contextlib.contextmanager
def started(recipe_file, variable, program):
    """`spikedistill train` in a process of its own, which ends with this context."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, "train", f"{recipe_file.name}:{variable}", "--runs", "parts"],
        cwd=recipe_file.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def held(recipe_file, variable):
    """A process that waits in the fourth step of the second epoch, with all before it saved, until `hold` is gone."""
    hold = recipe_file.parent / "hold"
    hold.touch()
    with started(recipe_file, variable, HELD) as process:
        deadline = time.monotonic() + 100
        while saved_at(recipe_file.parent, variable) != (1, 4):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, hold


def saved_at(folder, variable):
    """Epoch and step of the checkpoint, if there is one."""
    for path in folder.glob(f"parts/{variable}-*/checkpoint.safetensors"):
        saved = state_files.load(path)
        return saved["epoch"], saved["step"]
    return None


def compare(recipe_file, variable, outcome):
    """Bring the interrupted run to its end here, and compare it with one that was never stopped."""
    recipe = recipe_files.load(f"{recipe_file}:{variable}")
    root = recipe_file.parent
    assert outcome(runs.train_recipe(recipe, root / "parts", "cpu")) == outcome(
        runs.train_recipe(recipe, root / "whole", "cpu")
    )


@pytest.mark.slow
def test_kill_9_in_the_middle_of_an_epoch(recipe_file, command, outcome):
    """From outside, of the real command, with teacher, AdamW, moving average, augmentation and clipping."""
    with held(recipe_file, "taught") as (process, hold):
        process.kill()
        process.communicate()
        hold.unlink()
    assert process.returncode == -signal.SIGKILL
    assert not list(recipe_file.parent.glob("parts/taught-*/metrics.json"))
    resumed = command("train", f"{recipe_file.name}:taught", "--runs", "parts")
    assert resumed.returncode == 0, resumed.stderr
    assert "taught: step 14 of 20" in resumed.stderr
    compare(recipe_file, "taught", outcome)


@pytest.mark.slow
def test_kill_9_in_the_middle_of_saving(recipe_file, outcome):
    with started(recipe_file, "sgd", KILLED_WHILE_SAVING) as process:
        process.communicate(timeout=100)
    assert process.returncode == -signal.SIGKILL
    (folder,) = (recipe_file.parent / "parts").glob("sgd-*")
    assert len(list(folder.glob(".checkpoint.safetensors.*.partial"))) == 1
    assert saved_at(recipe_file.parent, "sgd") == (1, 2)
    compare(recipe_file, "sgd", outcome)
    assert not list(folder.glob(".checkpoint.safetensors.*.partial"))


def test_ctrl_c_of_the_command(recipe_file, outcome):
    with held(recipe_file, "sgd") as (process, hold):
        process.send_signal(signal.SIGINT)
        hold.unlink()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == (
        "spikedistill: Stopped at epoch 2, step 5; the state is saved. "
        "A run goes on from what is saved with the same command."
    )
    assert "Traceback" not in err
    compare(recipe_file, "sgd", outcome)


def test_a_full_disk_under_the_command(recipe_file, outcome):
    with started(recipe_file, "sgd", DISK_FULL) as process:
        _, err = process.communicate(timeout=100)
    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert last.startswith("spikedistill: error: parts/sgd-")
    assert "checkpoint.safetensors cannot be written: File too large. What was saved before stands." in last
    assert "Traceback" not in err
    assert saved_at(recipe_file.parent, "sgd") == (1, 2)
    assert not list(recipe_file.parent.glob("parts/*/.*.partial"))
    compare(recipe_file, "sgd", outcome)
