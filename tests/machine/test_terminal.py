"""What is printed arrives, and steers no terminal; the command line under streams and signals as they come."""

import os
import signal
import subprocess
import sys
import time

import pytest

from spikedistill.machine.terminal import printable

PRINT = """
import os, sys
from spikedistill.machine.terminal import prepare_streams
prepare_streams()
with open("file", "w") as file:
    print("中文", os.fsdecode(b"\\xff"), "é", flush=True)
    print("said", file=sys.stderr, flush=True)
    print(file.fileno() > 2, file=file)
"""


@pytest.mark.parametrize(
    ("closed", "encoding", "out", "err"),
    [
        ("", "ascii", b"\\u4e2d\\u6587 \xff \\xe9\n", b"said\n"),
        ("", "utf-8", "中文 ".encode() + b"\xff " + "é\n".encode(), b"said\n"),
        ("2>&-", "utf-8", "中文 ".encode() + b"\xff " + "é\n".encode(), b""),
        (">&-", "utf-8", b"", b"said\n"),
        (">&- 2>&-", "utf-8", b"", b""),
        ("<&- >&- 2>&-", "utf-8", b"", b""),
    ],
)
def test_whatever_the_streams_are(closed, encoding, out, err, tmp_path):
    words = f'exec "$0" -c "$1" {closed}'
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(
        ["bash", "-c", words, sys.executable, PRINT], cwd=tmp_path, env=environment, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, out, err)
    assert (tmp_path / "file").read_text() == "True\n"


def test_control_characters_are_written_out():
    assert printable("a\x1b[31m\nb\x07\x9bc é 中") == "a\\x1b[31m\\x0ab\\x07\\x9bc é 中"
    assert printable(os.fsdecode(b"\xff")) == os.fsdecode(b"\xff")


INTERRUPTED = """
import sys, time
from spikedistill.cli import main as cli
from spikedistill.errors import Stopped
from spikedistill.machine.interrupts import stop_signal

def wait(words):
    with stop_signal() as stopping:
        print("ready", flush=True)
        try:
            while True:
                time.sleep(0.01)
        finally:
            time.sleep(0.5)
    raise Stopped("Stopped.")

cli.COMMANDS["wait"] = wait
try:
    code = cli.main()
finally:
    time.sleep(0.3)
sys.exit(code)
"""


def test_ctrl_c_many_times():
    """The second one interrupts what does not stop; the others change nothing of how it ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, "wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    assert process.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 60
    while process.poll() is None:  # not a fixed number: signals that a starved process has not seen yet are one
        assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()) == (
        130,
        ["spikedistill: Stopped. A run goes on from what is saved with the same command."],
    )
