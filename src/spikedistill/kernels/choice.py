"""Which implementation runs: `SPIKEDISTILL_KERNELS` = auto (default), reference, cpu or triton.

`auto` takes the fastest that the machine can run and says once, on stderr, where that is the definition for want of a
compiler. Naming an implementation asks for it where it applies: `cpu` without a compiler and `triton` on a GPU without
triton are errors, and `triton` on a machine without a GPU is answered with a line on stderr.
"""

import importlib.util
import os
import sys

import torch

from spikedistill.errors import InputError, pick
from spikedistill.kernels import build

VARIABLE = "SPIKEDISTILL_KERNELS"
MODES = ("auto", "reference", "cpu", "triton")
TRITON = "spikedistill.kernels.triton"
"""The module of the GPU's kernels; it has `norm_act` and `activate` with the arguments of those here."""

_said: set[str] = set()


def mode() -> str:
    """What `SPIKEDISTILL_KERNELS` says.

    Raises:
        InputError: it is none of `MODES`.
    """
    said = os.environ.get(VARIABLE, "auto")
    return said if said in MODES else pick(f"value of {VARIABLE}", said, {name: name for name in MODES})


def implementation(device: str) -> str:
    """`cpu`, `triton` or `reference` for tensors on this kind of device; builds the CPU's kernels on first use.

    Raises:
        InputError: kernels were asked for by name and cannot be had, or the variable's value is unknown.
    """
    asked = mode()
    if device == "cpu" and asked in ("auto", "cpu"):
        return _cpu(asked)
    if device == "cuda" and asked in ("auto", "triton"):
        if _has_triton():
            return "triton"
        if asked == "triton":
            raise InputError(f"{VARIABLE}=triton, but triton is not installed. Install it, or use auto or reference.")
    elif asked == "triton" and not torch.cuda.is_available():
        _say_once(f"{VARIABLE}=triton, but there is no GPU; the slower PyTorch definitions are used. Use auto or cpu.")
    return "reference"


implementation._dynamo_marked_constant = True  # type: ignore[attr-defined]
"""What `torch.compiler.assume_constant_result` does, which takes a second and a half to import torch._dynamo."""


def in_use(device: str) -> str:
    """Which implementation this kind of device uses, in a word or two: `cpu AVX512`, `triton` or `reference`.

    Builds the CPU's kernels on first use, and raises like `implementation`.
    """
    chosen = implementation(device)
    return f"cpu {torch.backends.cpu.get_cpu_capability()}" if chosen == "cpu" else chosen


def _cpu(asked: str) -> str:
    reason = build.load()
    if reason is None:
        return "cpu"
    if asked == "cpu":
        raise InputError(f"{VARIABLE}=cpu, but the CPU kernels cannot be had: {reason} Use auto or reference.")
    _say_once(f"No CPU kernels; the slower PyTorch definitions are used: {reason}")
    return "reference"


def _say_once(line: str) -> None:
    if line not in _said:
        _said.add(line)
        print(line, file=sys.stderr, flush=True)


def _has_triton() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in (TRITON, "triton"))


def active() -> list[tuple[str, bool, str]]:
    """Name, whether it is in use, and why, of each implementation; builds nothing."""
    asked = mode()
    why_asked = f"{VARIABLE}={asked}"
    lines = [("reference", True, "the definitions; used wherever no kernel applies")]
    if asked in ("auto", "cpu"):
        lines.append(("cpu", *build.state()))
    else:
        lines.append(("cpu", False, why_asked))
    if asked not in ("auto", "triton"):
        lines.append(("triton", False, why_asked))
    elif not _has_triton():
        lines.append(("triton", False, "not installed"))
    elif not torch.cuda.is_available():
        lines.append(("triton", False, "no GPU"))
    else:
        lines.append(("triton", True, torch.cuda.get_device_name()))
    return lines
