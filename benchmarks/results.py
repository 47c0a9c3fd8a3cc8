"""The CSV: one line per row and contender of a session."""

import csv
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import ROOT, Measured, Settings
from benchmarks.ratios import Spread, ratio
from benchmarks.rows import Row

MIB = 2**20
PACKAGES = ("torch", "spikedistill", "spikingjelly", "snntorch", "norse", "sinabs")
COLUMNS = (
    *("date", "row", "contender", "base", "note", "quick", "batch", "steps"),
    *("ms", "ms_low", "ms_high", "ms_rounds", "time_ratio", "time_ratio_low", "time_ratio_high"),
    *("per_second", "unit", "peak_mib", "peak_ratio", "peak_ratio_low", "peak_ratio_high"),
    *("saved_mib", "saved_ratio", "saved_bytes_per_neuron_step"),
    *("rounds", "threads", "load_low", "load_high", "cpu", "cores", "capability", "device", "commit"),
    *PACKAGES,
)


def lines(row: Row, results: Mapping[str, Measured], settings: Settings) -> list[dict[str, Any]]:
    """The row's lines, by column; a number that there is not is left out."""
    task = row.task.quick() if settings.quick else row.task
    base = results[row.base].rounds
    shared = machine() | versions()
    shared |= {"date": datetime.now(UTC).isoformat(timespec="seconds"), "row": row.name, "base": row.base}
    shared |= {"batch": task.batch, "steps": task.steps, "unit": task.unit}
    shared |= {"rounds": settings.rounds, "quick": int(settings.quick)}
    return [shared | numbers(result, base, task.items) for result in results.values()]


def numbers(result: Measured, base: list[dict[str, Any]], items: int) -> dict[str, Any]:
    """What is different for each contender."""
    line: dict[str, Any] = {"contender": result.contender, "note": result.note}
    if not result.rounds:
        return line
    last = result.rounds[-1]
    times = [r["seconds"] * 1e3 for r in result.rounds]
    line |= {"ms": _number(median(times)), "ms_low": _number(min(times)), "ms_high": _number(max(times))}
    line |= {"ms_rounds": " ".join(map(_number, times)), "per_second": _number(items / median(times) * 1e3)}
    for name, key in (("time_ratio", "seconds"), ("peak_ratio", "peak_bytes"), ("saved_ratio", "saved_bytes")):
        line |= _spread(name, ratio([r[key] for r in result.rounds], [r[key] for r in base]))
    peaks = [r["peak_bytes"] for r in result.rounds]
    if None not in peaks:
        line["peak_mib"] = _number(median(peaks) / MIB)
    if last["saved_bytes"] is not None:
        line["saved_mib"] = _number(last["saved_bytes"] / MIB)
        line["saved_bytes_per_neuron_step"] = _number(last["saved_bytes"] / last["neuron_steps"])
    line |= {"load_low": _number(min(result.loads)), "load_high": _number(max(result.loads))}
    return line | {"threads": last["threads"], "capability": last["capability"], "device": last["device"]}


def _spread(name: str, value: Spread | None) -> dict[str, str]:
    if value is None:
        return {}
    found = {name: value.median, f"{name}_low": value.low, f"{name}_high": value.high}
    return {key: _number(number) for key, number in found.items() if key in COLUMNS}


def _number(value: float) -> str:
    return f"{value:.4g}"


def append(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add lines to the file, which gets a header when it is new.

    Raises:
        ValueError: the file has other columns.
    """
    new = not path.exists() or path.stat().st_size == 0
    if not new:
        with path.open(newline="") as file:
            header = next(csv.reader(file))
        if tuple(header) != COLUMNS:
            raise ValueError(f"{path} has other columns than this version writes; move it away.")
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def machine() -> dict[str, Any]:
    """Processor and number of cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(line.split(":", 1) for line in info.read_text().split("\n\n")[0].splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in fields.items()}
        family = f"family {fields['cpu family']} model {fields['model']}" if "cpu family" in fields else ""
        name = f"{fields.get('model name', name)} {family}".strip()
    return {"cpu": name, "cores": os.cpu_count()}


def versions() -> dict[str, str]:
    """Commit and packages; empty where there is none."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        commit = ""
    return {"commit": commit} | {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
