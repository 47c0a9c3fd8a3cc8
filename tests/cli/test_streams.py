"""Streams that are closed, full or in ASCII, and a user's own tracebacks."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spikedistill.cli import streams
from spikedistill.errors import UserCodeError
from spikedistill.recipes import _files as recipe_files

QUICK = "--epochs 1 --batch-size 64 --data.train-size 64 --device cpu"


@pytest.fixture
def shell(tmp_path):
    """A function that runs `spikedistill ...` in a shell, in an empty folder."""

    def run(words, redirection="", **environment):
        script = f'exec "$PYTHON" -m spikedistill.cli {words} {redirection}'
        environment = os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"} | environment
        return subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, timeout=120)

    return run


@pytest.mark.parametrize(
    ("words", "redirection", "code"),
    [
        ("cite tser", "2>&-", 0),
        ("cite tser", ">&- 2>&- <&-", 0),
        ("cite tsr", "2>&-", 2),
        ("cite tsr", "2>/dev/full", 2),
        ("--help", ">&-", 0),
    ],
)
def test_a_closed_stream_changes_no_exit_code(words, redirection, code, shell):
    done = shell(words, redirection)
    assert (done.returncode, b"Traceback" in done.stderr) == (code, False)


def test_training_with_stderr_closed(shell, tmp_path):
    """Nothing that is opened later gets the number of stderr, and with it what is written there."""
    done = shell(f"train digits-scratch {QUICK}", "2>&-")
    assert done.returncode == 0
    assert (tmp_path / done.stdout.decode().splitlines()[-1] / "metrics.json").is_file()


def test_a_full_disk_behind_stdout_is_one_line(shell):
    done = shell("cite tser", ">/dev/full")
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert "No space left on device" in line


RECIPE = """
from spikedistill import Recipe
from spikedistill.data.digits import Digits
from spikedistill.models import MLP
学生 = Recipe(Digits(train_size=64), MLP((9,)), 1, batch_size=64)
"""


def test_ascii_with_a_name_in_chinese(shell, tmp_path):
    (tmp_path / "my.py").write_text(RECIPE, encoding="utf-8")
    done = shell("train my.py --seeds 0-1 --device cpu", PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert b"\\u5b66\\u751f: " in done.stdout


def test_an_empty_setting_is_none(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKEDISTILL_RUNS", "")
    code, out, err = cli("train", "digits-scratch", *QUICK.split())
    assert code == 0, err
    assert out.splitlines()[-1].startswith("runs/")
    code, out, err = cli("train", "digits-scratch", *QUICK.split(), "--runs", "")
    assert (code, out) == (2, "")
    assert "--runs names the folder of the runs, and is empty" in err


def test_control_characters_do_not_reach_the_terminal(capsys):
    from spikedistill.cli.shown import print_metrics, print_table

    print_metrics({"accuracy\x1b[2J": "\x1b]0;title\x07", "accuracy": 0.5})
    print_table([{"image": "a\x1b[31m.png", "class": 1}])
    streams.say("error: \x1b[2J \x00 gone")
    said = capsys.readouterr()
    assert not any(control in said.out + said.err for control in "\x1b\x07\x00")
    assert "\\x1b[31m.png" in said.out


def test_a_long_message_is_cut(capsys):
    streams.say("error: " + "x" * 10**6 + " end")
    (line,) = capsys.readouterr().err.splitlines()
    assert len(line) < 5000
    assert line.endswith(" end")


def test_code_of_ones_own_shows_its_traceback(cli, capsys, monkeypatch, tmp_path):
    """One line first, then the part of the traceback that is the user's."""
    zoo = compile("def make(): return helper()\ndef helper(): raise RuntimeError('no such layer')", "zoo.py", "exec")
    defined: dict[str, Any] = {}
    exec(zoo, defined)

    def fail(*_):
        try:
            defined["make"]()
        except RuntimeError as error:
            raise UserCodeError(f"Teacher 'zoo:make' cannot be called: {error}") from error

    monkeypatch.setattr(recipe_files, "load", fail)
    monkeypatch.setattr(streams, "LIBRARY", Path(__file__).parent)  # as if this file were the library's
    code, out, err = cli("train", "digits-tser")
    first, *rest = err.splitlines()
    assert (code, out) == (2, "")
    assert first == "spikedistill: error: Teacher 'zoo:make' cannot be called: no such layer"
    assert rest == [
        "Traceback (most recent call last):",
        '  File "zoo.py", line 1, in make',
        '  File "zoo.py", line 2, in helper',
        "RuntimeError: no such layer",
    ]


def test_a_module_that_is_not_there_has_no_traceback(capsys):
    with pytest.raises(ImportError) as raised:
        importlib.import_module("no_such_module_of_mine")
    error = raised.value
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # as if this file were the library's
    streams.say_traceback(error)
    assert capsys.readouterr().err == ""
