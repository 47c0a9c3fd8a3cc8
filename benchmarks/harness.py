"""Rounds: every contender in turn, A B C A B C ..., each time in a new process, which rows that are compared share."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contenders import CONTENDERS
from benchmarks.rows import Row

ROOT = Path(__file__).parents[1]
TIMEOUT = 900.0
"""Seconds for one process."""


@dataclass(frozen=True)
class Settings:
    """How a row is measured."""

    rounds: int = 5
    threads: int = os.cpu_count() or 1
    seconds: float = 2.0
    """Timed seconds of each process, at least."""
    device: str = "cpu"
    quick: bool = False


@dataclass
class Measured:
    """What one contender did in a row."""

    contender: str
    rounds: list[dict[str, Any]] = field(default_factory=list)
    """What the child process said in each round."""
    loads: list[float] = field(default_factory=list)
    """The machine's load average (one minute) before each."""
    note: str = ""
    """Why there are no numbers, where there are none."""


def measure(
    rows: Mapping[Row, Sequence[str]], settings: Settings, say: Callable[[str], None]
) -> dict[Row, dict[str, Measured]]:
    """All rounds of rows that are compared with each other, whose steps alternate in one process for each contender.

    One that is not installed, or fails, gets a note and the others go on.

    Args:
        rows: With their contenders.
        settings: How.
        say: Told after each measurement.
    """
    results = {row: {name: Measured(name) for name in contenders} for row, contenders in rows.items()}
    turns = {name: [row for row in rows if name in rows[row]] for contenders in rows.values() for name in contenders}
    for name, own in turns.items():
        if not CONTENDERS[name].installed:
            for row in own:
                results[row][name].note = "not installed"
    for number in range(1, settings.rounds + 1):
        for name, own in turns.items():
            if not results[own[0]][name].note:
                load, said = os.getloadavg()[0], run_child([row.name for row in own], name, settings)
                for place, row in enumerate(own):
                    words = _note(results[row][name], load, said if isinstance(said, str) else said[place])
                    say(f"{row.name}  round {number}  {name}: {words}")
    return results


def _note(result: Measured, load: float, said: dict[str, Any] | str) -> str:
    """Add a round to what there is; returns what to say of it."""
    result.loads.append(load)
    if isinstance(said, str):
        result.note, result.rounds = said, []
        return said
    result.rounds.append(said)
    return f"{said['seconds'] * 1e3:.2f} ms"


def run_child(rows: Sequence[str], contender: str, settings: Settings) -> list[dict[str, Any]] | str:
    """What the process measured of each row, or its last words."""
    command = [sys.executable, "-m", "benchmarks.child", ",".join(rows), contender]
    command += ["--threads", str(settings.threads), "--seconds", str(settings.seconds), "--device", settings.device]
    command += ["--quick"] if settings.quick else []
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"failed: no answer in {TIMEOUT:.0f} s"
    if done.returncode != 0:
        return explain(contender, done)
    said: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def explain(contender: str, done: subprocess.CompletedProcess[str]) -> str:
    """Why a process failed; a peer that lacks a package of its own is as good as not installed."""
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    lacking = (
        last.startswith(("ModuleNotFoundError", "ImportError")) and CONTENDERS[contender].package != "spikedistill"
    )
    return f"not installed ({last})" if lacking else f"failed: {last}"
