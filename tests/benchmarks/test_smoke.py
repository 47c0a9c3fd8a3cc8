"""From the command line to the file, a process for every contender or one for a ladder; no times are asserted."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.results import COLUMNS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_two_rows_end_to_end(tmp_path):
    path = tmp_path / "results.csv"
    names = "ours-bf16,convolutions,spikingjelly-tutorial"
    said, columns, lines = _measured(path, "norm-neuron", "train-wrn16-2", "--only", names)
    assert columns == COLUMNS
    pairs = [(line["row"], line["contender"]) for line in lines]
    assert pairs == [
        *[("norm-neuron", name) for name in ("ours-bf16", "spikingjelly-tutorial")],
        *[("train-wrn16-2", name) for name in ("ours-bf16", "ours-bf16-rate", "spikingjelly-tutorial", "convolutions")],
    ]
    for line in lines:
        assert line["note"] == ""
        assert line["quick"] == "1"
        assert float(line["ms"]) > 0
        assert line["threads"] == "1"
    for base in (lines[0], lines[2]):
        assert base["contender"] == base["base"]
        assert float(base["time_ratio"]) == 1.0
        assert float(base["saved_bytes_per_neuron_step"]) > 0
    assert float(lines[4]["saved_ratio"]) > 1.0
    assert "QUICK" in said


@pytest.mark.slow
def test_a_ladder_end_to_end(tmp_path):
    _, _, lines = _measured(tmp_path / "results.csv", "mnist-minutes")
    assert {line["row"].split("-from-")[0] for line in lines} == {
        *("step-mnist-minutes-ann", "step-mnist-minutes-distilled", "step-mnist-minutes-half")
    }
    for line in lines:
        assert float(line["ms"]) > 0
        assert line["peak_mib"] == "", "steps that alternate in one process take each other's memory"


def _measured(path: Path, *arguments: str) -> tuple[str, tuple[str, ...], list[dict[str, str]]]:
    """What `python -m benchmarks` printed, and the file's columns and lines."""
    command = [sys.executable, "-m", "benchmarks", *arguments, "--quick", "--threads", "1", "--csv", str(path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        return done.stdout, tuple(reader.fieldnames or ()), list(reader)


def test_profile():
    command = [sys.executable, "-m", "benchmarks.profile", "norm-neuron", "ours-reference", "--quick", "--lines", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert first.startswith("norm-neuron  ours-reference: ")
    assert len(lines) == 3
    assert all("%" in line for line in lines)
