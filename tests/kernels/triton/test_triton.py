"""The Triton kernels, in processes of their own: whether Triton interprets or compiles is settled at its import."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")


def run_tests(name: str, *options: str, interpret: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", *options, str(HERE / name)],
        env={**os.environ, "TRITON_INTERPRET": str(int(interpret)), "OMP_NUM_THREADS": "1"},
        cwd=HERE.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


def test_values_and_gradients_in_the_interpreter():
    run_tests("norm_act_cases.py", interpret=True)


def test_machine_code_for_gpus():
    run_tests("gpu_code_cases.py", "--noconftest", interpret=False)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_values_and_gradients_on_a_gpu():
    run_tests("norm_act_cases.py", interpret=False)
