"""What the README prints can be typed: its Python runs, its commands and options are there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from spikedistill.cli import main as door
from spikedistill.runs import train as runs

README = (Path(__file__).parents[2] / "README.md").read_text()
QUICK = """
import spikedistill
from dataclasses import replace
load = spikedistill.load_recipe
def quick(name):
    recipe = load(name)
    teacher = replace(recipe.teacher, recipe=replace(recipe.teacher.recipe, epochs=1))
    return replace(recipe, teacher=teacher, epochs=1)
spikedistill.load_recipe = quick
"""


def commands():
    """All `spikedistill ...` of the README: in blocks of the shell, and within lines."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`(spikedistill [^`\n]+)`", README)
    return sorted({line for line in lines if re.match(r"(\.venv/bin/)?spikedistill ", line)})


def test_the_snippet_runs(tmp_path):
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", QUICK + snippet],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    accuracies, shape = done.stdout.splitlines()
    assert len(accuracies.split(",")) == 4
    assert shape == "torch.Size([8, 5, 10])"


@pytest.mark.parametrize("line", commands())
def test_every_command_is_there(line, cli, monkeypatch):
    """Recipes and options are known; nothing is trained, and placeholders (`METHOD`, `runs/NAME-...`) are not asked."""
    _, name, *words = shlex.split(line, comments=True)
    assert name in door.COMMANDS
    if name == "train" and "--help" not in words and not any("..." in word for word in words):

        def stop(*_):
            raise KeyboardInterrupt

        for function in ("train_recipe", "check_recipe"):
            monkeypatch.setattr(runs, function, stop)
        code, _, err = cli(name, *words)
        assert code in (0, 130), err
        return
    _, said, _ = cli(name, "--help")
    for option in (word for word in words if word.startswith("--")):
        assert option in said or name == "train"


def test_pages_that_are_linked_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (Path(__file__).parents[2] / target).exists(), target
