"""Rounds: every contender in turn, A B C A B C ..., each time in a new process; rows that are compared likewise."""

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
    """All rounds of all rows and contenders. One that is not installed, or fails, gets a note and the others go on."""
    results = {row: {name: Measured(name) for name in contenders} for row, contenders in rows.items()}
    for of_row in results.values():
        for name, result in of_row.items():
            if not CONTENDERS[name].installed:
                result.note = "not installed"
    for number in range(1, settings.rounds + 1):
        for row, of_row in results.items():
            for result in of_row.values():
                if not result.note:
                    said = _once(row, result, settings)
                    say(f"{row.name}  round {number}  {result.contender}: {said}")
    return results


def _once(row: Row, result: Measured, settings: Settings) -> str:
    """Measure a contender once more; returns what to say of it."""
    result.loads.append(os.getloadavg()[0])
    said = run_child(row.name, result.contender, settings)
    if isinstance(said, str):
        result.note, result.rounds = said, []
        return said
    result.rounds.append(said)
    return f"{said['seconds'] * 1e3:.2f} ms"


def run_child(row: str, contender: str, settings: Settings) -> dict[str, Any] | str:
    """What the process measured, or its last words."""
    command = [sys.executable, "-m", "benchmarks.child", row, contender]
    command += ["--threads", str(settings.threads), "--seconds", str(settings.seconds), "--device", settings.device]
    command += ["--quick"] if settings.quick else []
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"failed: no answer in {TIMEOUT:.0f} s"
    if done.returncode != 0:
        return explain(contender, done)
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def explain(contender: str, done: subprocess.CompletedProcess[str]) -> str:
    """Why a process failed; a peer that lacks a package of its own is as good as not installed."""
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    lacking = (
        last.startswith(("ModuleNotFoundError", "ImportError")) and CONTENDERS[contender].package != "spikedistill"
    )
    return f"not installed ({last})" if lacking else f"failed: {last}"
