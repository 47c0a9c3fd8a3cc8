"""Pickles from outside, without running anything they name: arrays of numbers, lists, dicts, strings, numbers.

`pickle` builds objects by calling what a file names. Here the names that numpy's arrays need are answered by classes
of this module, which only take down shape, type and bytes; every other name is refused.
"""

import io
import math
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = "biuf"
"""numpy's letters for the element types that are admitted: bool, whole, unsigned and floating."""


class RefusedError(ValueError):
    """The pickle names something else."""


def loads(data: bytes) -> Any:
    """The value of a pickle of Python 2 or 3, any protocol; strings of Python 2 become bytes, arrays numpy's.

    Raises:
        RefusedError: it holds something else than arrays, lists, tuples, dicts, strings, bytes, numbers.
        Exception: it is damaged; of any type, as the damage has it.
    """
    return _plain(_Unpickler(io.BytesIO(data), encoding="bytes").load())


class _Type:
    """Stands for numpy.dtype."""

    def __init__(self, code: str | bytes, *_: object) -> None:
        self.dtype = np.dtype(_text(code))
        if self.dtype.kind not in KINDS:
            raise RefusedError(f"an array of type {_text(code)!r}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = _text(state[1])
        if order in "<>":
            self.dtype = np.dtype(order + self.dtype.str[1:])


class _Array:
    """Stands for numpy.ndarray, whose bytes come after it is made."""

    value: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        self.value = _array(data, kind, shape, "F" if fortran else "C")


def _array(data: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
    if not isinstance(kind, _Type) or not isinstance(data, bytes | bytearray):
        raise RefusedError("an array of other things than numbers")
    sizes = tuple(int(size) for size in shape)
    if min(sizes, default=0) < 0 or math.prod(sizes) * kind.dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {sizes} in {len(data)} bytes")
    return np.frombuffer(bytearray(data), kind.dtype).reshape(sizes, order="F" if _text(order) == "F" else "C")


def _reconstruct(*_: object) -> _Array:
    """Stands for numpy's function that makes an array without content."""
    return _Array()


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
    """Stands for numpy's function of pickle protocol 5."""
    return _array(data, kind, shape, order)


def _scalar(kind: Any, data: Any) -> Any:
    """Stands for numpy's function that makes one number."""
    return _array(_encode(data), kind, (), "C").item()


def _encode(text: Any, _: object = "latin1") -> bytes:
    """Stands for `_codecs.encode`, with which Python 3 writes bytes in protocol 2."""
    return text.encode("latin1") if isinstance(text, str) else bytes(memoryview(text))


ADMITTED: dict[tuple[str, str], Any] = {("_codecs", "encode"): _encode, ("numpy", "dtype"): _Type}
ADMITTED["numpy", "ndarray"] = _Array
for core in ("numpy.core", "numpy._core"):
    ADMITTED[f"{core}.multiarray", "_reconstruct"] = _reconstruct
    ADMITTED[f"{core}.multiarray", "scalar"] = _scalar
    ADMITTED[f"{core}.numeric", "_frombuffer"] = _from_buffer


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Answer the admitted names, refuse the others."""
        if (module, name) not in ADMITTED:
            raise RefusedError(f"{module}.{name}")
        return ADMITTED[module, name]


def _plain(value: Any) -> Any:
    """The value with every stand-in replaced by what it stands for."""
    if isinstance(value, _Array):
        if value.value is None:
            raise ValueError("an array without content")
        return value.value
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, str | bytes | bytearray | int | float | np.ndarray):
        return value
    raise RefusedError(f"a {type(value).__name__}")


def _text(value: Any) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)
