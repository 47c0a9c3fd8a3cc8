"""What is measured of a `Work`: seconds per step, peak memory, bytes kept for the backward pass."""

import contextlib
import ctypes
import os
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.work import Work

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def seconds_per_step(works: Sequence[Work], device: torch.device, seconds: float, at_least: int) -> list[float]:
    """Medians over steps, which alternate; each has `at_least` and as many as fit in `seconds` for each."""
    times: list[list[float]] = [[] for _ in works]
    while len(times[0]) < at_least or sum(map(sum, times)) < seconds * len(works):
        for work, own in zip(works, times, strict=True):
            begin = time.perf_counter()
            work.step()
            synchronize(device)
            own.append(time.perf_counter() - begin)
    return [statistics.median(own) for own in times]


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def first_steps(work: Work, device: torch.device, count: int) -> int | None:
    """Do the first steps, which also warm up; returns the peak of memory above what there was before, in bytes.

    Memory of the process is the resident set, with the kernel's own high-water mark, which is reset before; None where
    the system has none (not Linux) or does not let us reset it. On a GPU, what torch has allocated.
    """
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
    else:
        _trim()
        before = _resident("VmRSS")
        known = _reset_high_water()
    for _ in range(count):
        work.step()
    synchronize(device)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) - before
    return _resident("VmHWM") - before if known else None


def _trim() -> None:
    """Give what is free back to the system, so that malloc has no room in store that would not be counted."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset_high_water() -> bool:
    if not os.access(CLEAR, os.W_OK):
        return False
    CLEAR.write_text("5")
    return True


def _resident(name: str) -> int:
    if not STATUS.exists():
        return 0
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def bytes_saved(work: Work) -> int | None:
    """Bytes of all storages that a forward pass keeps for the backward pass, each counted once.

    Counted are tensors that autograd saves (`saved_tensors_hooks`, through which custom operators' own go too) and
    tensors that Python autograd functions keep as attributes. Weights and inputs are not: they are there anyway. None
    where there is no backward pass.
    """
    if work.forward is None:
        return None
    resident = {_address(tensor) for tensor in work.resident}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if _address(tensor) not in resident:
            kept[_address(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = work.forward()
    for tensor in attributes(output):
        note(tensor)
    return sum(kept.values())


def attributes(output: Tensor) -> Iterable[Tensor]:
    """Tensors that the nodes of a graph keep in Python attributes."""
    nodes, seen = [output.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes += [following for following, _ in node.next_functions]
        yield from (value for value in getattr(node, "__dict__", {}).values() if isinstance(value, Tensor))


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
