"""What is printed arrives, whatever terminal, pipe or encoding is there, and nothing in it steers the terminal."""

import codecs
import os
import sys
from typing import Any


def printable(text: object) -> str:
    """Return a text with its control characters written out: names and files of others may hold some."""

    def harmless(sign: str) -> bool:
        return sign.isprintable() or "\udc80" <= sign <= "\udcff"  # the latter: bytes of a file's name

    return "".join(sign if harmless(sign) else f"\\x{ord(sign):02x}" for sign in str(text))


def prepare_streams() -> None:
    """Make stdout and stderr take any text: one that is closed goes nowhere, a sign that it lacks is written out.

    File names that are no text are printed as the bytes that they are.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the lowest free number is its own: else the next file would be written to
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="spikedistill")


def _written_out(error: UnicodeError) -> tuple[Any, int]:
    """Bytes for a name's bytes that are no text, and \\u4e2d for what the encoding lacks."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


codecs.register_error("spikedistill", _written_out)
