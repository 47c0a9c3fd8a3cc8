"""Ctrl-C and SIGTERM as a request that the loop looks at between two steps."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """Set the event on SIGINT or SIGTERM instead of interrupting a step; a second SIGINT interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def request(signum: int, frame: Any) -> None:
        if event.is_set() and signum == signal.SIGINT:
            interrupt = before[signal.SIGINT]
            if callable(interrupt):
                interrupt(signum, frame)
            return
        event.set()

    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    for s in before:
        signal.signal(s, request)
    try:
        yield event
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


def interrupt_once() -> None:
    """Let a program be interrupted by one SIGINT: those that follow while it cleans up and ends are not looked at."""
    done = False

    def interrupt(_signum: int, _frame: Any) -> None:
        nonlocal done
        if not done:
            done = True
            raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
