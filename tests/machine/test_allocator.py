"""Freed memory comes back without the system's help."""

import os
import subprocess
import sys

import pytest

from spikedistill.machine.allocator import VARIABLES

FAULTS = """
import ctypes, resource, sys
from spikedistill.machine.allocator import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else None
def touch():
    ctypes.memset(ctypes.create_string_buffer(100 << 20), 1, 100 << 20)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(word: str, **variables: str) -> tuple[str, int]:
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, word], env=environment, capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    return kept, int(faults)


def test_blocks_of_100_mib_fault_once():
    kept, faults = run("keep")
    if kept == "False":
        pytest.skip("no glibc here")
    assert faults < 1000


def test_without_it_every_page_faults_again():
    """Else there is nothing to set; with pages of 4 KiB it is 25,600."""
    if run("keep")[0] == "False":
        pytest.skip("no glibc here")
    assert run("leave")[1] > 1000


def test_what_the_user_has_set_stands():
    assert run("keep", MALLOC_MMAP_THRESHOLD_="1000000")[0] == "False"
