"""Which implementation runs: `SPIKEDISTILL_KERNELS` = auto (default), reference, cpu or triton.

`auto` takes the fastest that the machine can run and says once, on stderr, where that is the definition for want of a
compiler. Naming an implementation asks for it where it applies: `cpu` without a compiler is an error.
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


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def implementation(device: str) -> str:
    """`cpu`, `triton` or `reference` for tensors on this kind of device; builds the CPU's kernels on first use.

    Raises:
        InputError: the CPU's kernels were asked for by name and cannot be built, or the variable's value is unknown.
    """
    asked = mode()
    if device == "cpu" and asked in ("auto", "cpu"):
        return _cpu(asked)
    if device == "cuda" and asked in ("auto", "triton") and _has_triton():
        return "triton"
    return "reference"


def _cpu(asked: str) -> str:
    reason = build.load()
    if reason is None:
        return "cpu"
    if asked == "cpu":
        raise InputError(f"{VARIABLE}=cpu, but the CPU kernels cannot be had: {reason} Use auto or reference.")
    if reason not in _said:
        _said.add(reason)
        print(f"No CPU kernels; the slower PyTorch definitions are used: {reason}", file=sys.stderr, flush=True)
    return "reference"


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
