"""How a command ends on its streams: one line, a user's own traceback, and output that nobody takes."""

import os
import sys
import traceback
from pathlib import Path

from spikedistill.machine.terminal import printable

LIBRARY = Path(__file__).parents[1]
IMPORTLIB = Path(traceback.__file__).with_name("importlib")
LONGEST = 4000
"""Characters of a message's line; of what is longer the middle is left out."""


def say(text: str) -> None:
    """Print one line on stderr, whatever an exception's text brings; a stderr that fails is no reason to fail."""
    line = printable(" ".join(text.split()))
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} [...] {line[-LONGEST // 2 :]}"
    _print_error(f"spikedistill: {line}")


def say_traceback(error: BaseException) -> None:
    """Print the part of an exception's traceback that is the user's code, if there is any."""
    told = traceback.TracebackException.from_exception(error)
    frames = list(told.stack)
    while frames and _is_ours(frames[0].filename):
        del frames[0]
    if frames:
        told.stack = traceback.StackSummary.from_list(frames)
        _print_error("".join(told.format(chain=False)).rstrip())


def discard_stdout() -> None:
    """Nobody reads: what is still to be written goes nowhere, so that Python's own flush at the end does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def discard_stdout_if_full() -> None:
    """See `discard_stdout`, where what was printed cannot be written."""
    try:
        sys.stdout.flush()
    except OSError:
        discard_stdout()


def _is_ours(file: str) -> bool:
    """Whether it is this library's, or what stands between it and the user's: Python's own that imports, torch, and the
    checks of types around our functions.
    """
    between = file.startswith("<frozen importlib") or not {"torch", "jaxtyping"}.isdisjoint(Path(file).parts)
    return between or not {LIBRARY, IMPORTLIB}.isdisjoint(Path(file).parents)


def _print_error(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
