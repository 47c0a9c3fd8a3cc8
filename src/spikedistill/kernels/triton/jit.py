"""The decorator of all kernels and of the functions that they call."""

import inspect
from collections.abc import Callable
from typing import Any

import triton  # type: ignore[import-untyped, import-not-found, unused-ignore]


def jit(function: Callable[..., Any]) -> Any:
    """Return `triton.jit` of the function as it is written, without what an import hook for types has put around it.

    Numbers of rows and programs are not specialised on, so that a new batch size compiles nothing.
    """
    return triton.jit(inspect.unwrap(function), do_not_specialize=["rows", "programs"])
