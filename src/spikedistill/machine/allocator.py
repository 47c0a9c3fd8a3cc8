"""Freed memory stays with the process: activations of tens of megabytes come and go in every training step.

glibc gives blocks of more than 32 MiB, and a large free end of its heap, back to the system at once. The next step gets
them again page by page, each zeroed by the kernel: a tenth to a third of a training step on a CPU
(`docs/speed.md`).
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator

import torch

from spikedistill.errors import InputError

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt(3)."""
VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""With which a user has said what malloc is to do."""


def keep_freed_memory() -> bool:
    """Tell malloc to keep what is freed, for the whole process; returns whether it does.

    Nothing happens where the C library is another than glibc, or where one of glibc's own environment variables for
    this is set. The process then holds on to the most memory it has needed until it ends.
    """
    if any(name in os.environ for name in VARIABLES):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    kept = mallopt(M_MMAP_THRESHOLD, 1 << 30) or mallopt(M_MMAP_THRESHOLD, 32 << 20)  # older ones take no more
    return bool(kept and mallopt(M_TRIM_THRESHOLD, 2**31 - 1) and mallopt(M_TOP_PAD, 64 << 20))


def memory(device: torch.device) -> int:
    """Return the bytes of memory that a device has, whoever uses them."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextlib.contextmanager
def said_in_a_line(name: str) -> Iterator[None]:
    """Turn an allocator's "can't allocate" into an InputError that names the recipe."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        words = ("can't allocate", "out of memory", "not enough memory", "Storage size calculation overflowed")
        if isinstance(error, MemoryError) or any(word in text for word in words):
            line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
            raise InputError(
                f"{name} needs more memory than there is ({line}). Take a smaller batch_size, fewer steps or a "
                "smaller model."
            ) from error
        raise
