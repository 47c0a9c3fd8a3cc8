"""What people see: plain lines in a pipe, one line that is redrawn on a terminal."""

import io

import pytest
from rich.console import Console

from spikedistill.machine import progress
from spikedistill.machine.progress import Live, Plain

RECORD = {
    "epoch": 3,
    "losses": {"cross_entropy": 0.5, "kl": 0.25},
    "train_accuracy": 0.875,
    "validation_accuracy": 0.75,
    "accuracy": 0.5,
    "images_per_second": 1234.0,
}
LINE = (
    "epoch   3  test  50.00%*  validation  75.00%  train  87.50%  cross_entropy   0.500  kl   0.250     1,234 images/s"
)


def drive(kind, monkeypatch, terminal, seconds=1.0):
    """A training of four steps, three of which were done before, on a clock of ours."""
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=terminal, color_system=None)
    clock = iter(seconds * k for k in range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    report = kind(console)
    report.say("Hello [bold]you[/bold] " + "x" * 300)
    report.begin("mine", 3, 4)
    report.advance()
    report.step(3, {"cross_entropy": 0.5}, 0.875, 1234.0)
    report.epoch(RECORD)
    report.end()
    return out.getvalue()


def test_plain_lines(monkeypatch):
    lines = drive(Plain, monkeypatch, terminal=False).splitlines()
    assert lines == ["Hello [bold]you[/bold] " + "x" * 300, "mine: step 3 of 4", LINE]


def test_plain_lines_within_a_long_epoch(monkeypatch):
    lines = drive(Plain, monkeypatch, terminal=False, seconds=60.0).splitlines()
    assert lines[2] == "epoch   3  train  87.50%  cross_entropy   0.500     1,234 images/s  0 s left"


def test_live(monkeypatch):
    text = drive(Live, monkeypatch, terminal=True)
    assert LINE in text
    assert "mine" in text
    assert "4/4" in text
    assert "\x1b[" in text


@pytest.mark.parametrize(("terminal", "kind"), [(True, Live), (False, Plain)])
def test_the_terminal_decides(terminal, kind, monkeypatch):
    class Stderr(io.StringIO):
        def isatty(self):
            return terminal

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("sys.stderr", Stderr())
    assert type(progress.reporter()) is kind
    monkeypatch.setenv("TERM", "dumb")
    assert type(progress.reporter()) is Plain


def test_the_header_and_the_best_epoch(tmp_path):
    """The best so far is that of the records before a resume too, and is chosen where the run chooses it."""
    out = io.StringIO()
    report = Plain(Console(file=out, width=200))
    before = [RECORD | {"validation_accuracy": 0.7}]
    report.header(tmp_path, [("recipe", "mine"), ("student", "convnet")], before)
    for validation in (0.6, 0.8, 0.8, 0.9):
        report.epoch(RECORD | {"validation_accuracy": validation})
    bare = {name: value for name, value in RECORD.items() if not name.endswith("accuracy")}
    report.epoch(bare | {"train_accuracy": 0.5})
    report.header(tmp_path, [("recipe", "another")])
    report.epoch(RECORD)
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["recipe   mine", "student  convnet"]
    assert ["*" in line for line in lines[2:]] == [False, True, False, True, False, False, True]
    assert lines[6].index("train") == len("epoch   3  test  50.00%   ")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0 s"), (89.4, "89 s"), (90.0, "1.5 min"), (5399.0, "90.0 min"), (5400.0, "1.5 h"), (4e6, "1,111.1 h")],
)
def test_times_are_said_in_units_that_fit(seconds, said):
    assert progress.span(seconds) == said
