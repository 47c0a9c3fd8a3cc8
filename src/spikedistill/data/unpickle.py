"""Pickles from outside, without running anything they name: arrays of numbers, lists, dicts, strings, numbers.

`pickle` builds objects by calling what a file names, and a few bytes of a file can make it fill the memory or never
end. This reads the instructions that such values need, and no others. The names that numpy's arrays need are answered
by classes of this module, which only take down shape, type and bytes; every other name is refused. Time and memory are
bounded by the number of bytes.
"""

import codecs
import math
import pickletools
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikedistill.errors import shown

KINDS = "biuf"
"""numpy's letters for the element types that are admitted: bool, whole, unsigned and floating."""
MOST_INSTRUCTIONS = 1_000_000
"""CIFAR-100 has some 200,000, and 500,000 as Python 3 writes it anew; CIFAR-10 a fifth of that."""
DEPTH = 50
"""Of lists in lists, and of lists that are begun."""


class RefusedError(ValueError):
    """The pickle holds, or does, something else."""


def loads(data: bytes) -> Any:
    """The value of a pickle of Python 2 or 3, any protocol; strings of Python 2 become bytes, arrays numpy's.

    Raises:
        RefusedError: it holds something else than arrays, lists, tuples, dicts, strings, bytes, numbers.
        Exception: it is damaged; of any type, as the damage has it.
    """
    return _Plain().of(_Machine(data).run(), 0)


class _Type:
    """Stands for numpy.dtype."""

    def __init__(self, code: Any, *_: object) -> None:
        self.dtype = np.dtype(_text(code))
        if self.dtype.kind not in KINDS:
            raise RefusedError(f"an array of type {_text(code)!r}")

    def build(self, state: Any) -> None:
        """Take over numpy's state, of which the order of bytes matters."""
        order = _text(state[1])
        if order in "<>":
            self.dtype = np.dtype(order + self.dtype.str[1:])


class _Array:
    """Stands for numpy.ndarray, whose bytes come after it is made."""

    value: NDArray[Any] | None = None

    def build(self, state: Any) -> None:
        """Take over numpy's state."""
        _, shape, kind, fortran, data = state
        self.value = _array(data, kind, shape, "F" if fortran else "C")


def _array(data: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
    """The bytes as an array; nothing is copied."""
    if not isinstance(kind, _Type) or not isinstance(data, bytes | bytearray):
        raise RefusedError("an array of other things than numbers")
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(type(n) is int and 0 <= n < 2**48 for n in shape):
        raise RefusedError("an array of an odd shape")
    if math.prod(shape) * kind.dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} in {len(data)} bytes")
    return np.frombuffer(data, kind.dtype).reshape(shape, order="F" if _text(order) == "F" else "C")


def _text(value: Any) -> str:
    """A short word."""
    if not isinstance(value, bytes | str) or len(value) > 100:
        raise RefusedError("another thing where a word should be")
    return value.decode("ascii") if isinstance(value, bytes) else value


class _Machine:
    """Reads the instructions of a pickle; `pickletools` of the standard library describes them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        """Stacks below marks."""
        self.memo: dict[int, Any] = {}
        self.copied = 0
        """Bytes that calls have copied."""
        self.names: dict[tuple[str, str], Callable[..., Any]] = {
            ("_codecs", "encode"): self.encode,
            ("numpy", "dtype"): _Type,
            ("numpy", "ndarray"): _Array,
        }
        for core in ("numpy.core", "numpy._core"):
            self.names[f"{core}.multiarray", "_reconstruct"] = lambda *_: _Array()
            self.names[f"{core}.multiarray", "scalar"] = self.scalar
            self.names[f"{core}.numeric", "_frombuffer"] = _array

    def run(self) -> Any:
        """Return the value at the end."""
        for _ in range(MOST_INSTRUCTIONS):
            code = self.data[self.at]
            self.at += 1
            if code == 0x2E:  # STOP
                return self.stack.pop()
            if code not in INSTRUCTIONS:
                known = [other.name for other in pickletools.opcodes if other.code == chr(code)]
                raise RefusedError(f"the instruction {known[0]}") if known else ValueError("this is no pickle")
            INSTRUCTIONS[code](self)
        raise RefusedError(f"more than {MOST_INSTRUCTIONS} instructions")

    def read(self, number: int) -> bytes:
        """Return the next bytes."""
        end = self.at + number
        if number < 0 or end > len(self.data):
            raise ValueError(f"{number} bytes are said to follow, {len(self.data) - self.at} do")
        self.at, start = end, self.at
        return self.data[start:end]

    def number(self, form: str) -> Any:
        """Return the next number of `struct`'s form."""
        return struct.unpack(form, self.read(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        """Return what comes before the next line break."""
        end = self.data.index(b"\n", self.at)
        self.at, start = end + 1, self.at
        return self.data[start:end]

    def counted(self, form: str) -> bytes:
        """Return bytes that are preceded by their number."""
        return self.read(self.number(form))

    def push(self, value: Any) -> None:
        """Put on the stack."""
        self.stack.append(value)

    def mark(self) -> None:
        """Begin a stack of its own."""
        if len(self.outer) == DEPTH:
            raise RefusedError(f"more than {DEPTH} lists that are begun")
        self.outer.append(self.stack)
        self.stack = []

    def marked(self) -> list[Any]:
        """End it and return it."""
        items, self.stack = self.stack, self.outer.pop()
        return items

    def last(self, number: int) -> list[Any]:
        """Take the last items from the stack."""
        items = self.stack[-number:]
        del self.stack[-number:]
        return items

    def append(self, items: list[Any]) -> None:
        """Add to the list on the stack."""
        if type(self.stack[-1]) is not list:
            raise RefusedError("items of what is no list")
        self.stack[-1].extend(items)

    def make_dict(self) -> None:
        """Put the items after the mark into a dict."""
        items = self.marked()
        self.push({})
        self.set_items(items)

    def set_items(self, items: list[Any]) -> None:
        """Add to the dict on the stack."""
        if type(self.stack[-1]) is not dict:
            raise RefusedError("keys of what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Hashing tuples of tuples can take for ever.
            if not isinstance(key, str | bytes | int | float | None):
                raise RefusedError(f"a key that is a {type(key).__name__}")
            self.stack[-1][key] = value

    def name(self, module: Any, name: Any) -> None:
        """Answer the admitted names, refuse the others."""
        if not isinstance(module, str) or not isinstance(name, str) or (module, name) not in self.names:
            raise RefusedError(shown(f"{module}.{name}") if isinstance(module, str) else "a name that is none")
        self.push(self.names[module, name])

    def call(self) -> None:
        """Call an admitted name."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if not callable(function) or not isinstance(arguments, tuple) or len(arguments) > 5:
            raise RefusedError("a call of something else")
        self.push(function(*arguments))

    def build(self) -> None:
        """Give an array or a type its content."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], _Array | _Type):
            raise RefusedError("the state of something else")
        self.stack[-1].build(state)

    def scalar(self, kind: Any, data: Any) -> Any:
        """Stands for numpy's function that makes one number."""
        return _array(self.encode(data), kind, (), "C").item()

    def encode(self, text: Any, _: object = "latin1") -> bytes:
        """Stands for `_codecs.encode`, with which Python 3 writes bytes in protocol 2; bytes are left as they are."""
        if not isinstance(text, str):
            return bytes(memoryview(text))
        self.copied += len(text)
        if self.copied > len(self.data):
            raise RefusedError("the same bytes many times over")
        return text.encode("latin1")

    def remember(self, index: int) -> None:
        """Keep what is on the stack under a number."""
        self.memo[index] = self.stack[-1]


def _integer(line: bytes) -> int | bool:
    return line == b"01" if line in (b"00", b"01") else int(line)


def _quoted(line: bytes) -> bytes:
    if len(line) < 2 or line[0] != line[-1] or line[0] not in b"'\"":
        raise ValueError("a string without quotes")
    return codecs.escape_decode(line[1:-1])[0]


INSTRUCTIONS: dict[int, Callable[[_Machine], Any]] = {
    0x80: lambda m: m.read(1),  # PROTO
    0x95: lambda m: m.read(8),  # FRAME
    ord("("): _Machine.mark,
    ord("0"): lambda m: m.stack.pop(),
    ord("1"): _Machine.marked,
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("I"): lambda m: m.push(_integer(m.line())),
    ord("J"): lambda m: m.push(m.number("<i")),
    ord("K"): lambda m: m.push(m.read(1)[0]),
    ord("M"): lambda m: m.push(m.number("<H")),
    ord("L"): lambda m: m.push(int(m.line().rstrip(b"L"))),
    0x8A: lambda m: m.push(int.from_bytes(m.counted("B"), "little", signed=True)),
    0x8B: lambda m: m.push(int.from_bytes(m.counted("<i"), "little", signed=True)),
    ord("F"): lambda m: m.push(float(m.line())),
    ord("G"): lambda m: m.push(m.number(">d")),
    ord("S"): lambda m: m.push(_quoted(m.line())),
    ord("T"): lambda m: m.push(m.counted("<i")),
    ord("U"): lambda m: m.push(m.counted("B")),
    ord("V"): lambda m: m.push(m.line().decode("raw-unicode-escape")),
    ord("X"): lambda m: m.push(m.counted("<I").decode("utf-8", "surrogatepass")),
    0x8C: lambda m: m.push(m.counted("B").decode("utf-8", "surrogatepass")),
    0x8D: lambda m: m.push(m.counted("<Q").decode("utf-8", "surrogatepass")),
    ord("B"): lambda m: m.push(m.counted("<I")),
    ord("C"): lambda m: m.push(m.counted("B")),
    0x8E: lambda m: m.push(m.counted("<Q")),
    0x96: lambda m: m.push(bytearray(m.counted("<Q"))),
    ord("]"): lambda m: m.push([]),
    ord("l"): lambda m: m.push(m.marked()),
    ord("a"): lambda m: m.append([m.stack.pop()]),
    ord("e"): lambda m: m.append(m.marked()),
    ord(")"): lambda m: m.push(()),
    ord("t"): lambda m: m.push(tuple(m.marked())),
    0x85: lambda m: m.push(tuple(m.last(1))),
    0x86: lambda m: m.push(tuple(m.last(2))),
    0x87: lambda m: m.push(tuple(m.last(3))),
    ord("}"): lambda m: m.push({}),
    ord("d"): _Machine.make_dict,
    ord("s"): lambda m: m.set_items(m.last(2)),
    ord("u"): lambda m: m.set_items(m.marked()),
    ord("c"): lambda m: m.name(m.line().decode(), m.line().decode()),
    0x93: lambda m: m.name(*m.last(2)),
    ord("R"): _Machine.call,
    ord("b"): _Machine.build,
    ord("g"): lambda m: m.push(m.memo[int(m.line())]),
    ord("h"): lambda m: m.push(m.memo[m.read(1)[0]]),
    ord("j"): lambda m: m.push(m.memo[m.number("<I")]),
    ord("p"): lambda m: m.remember(int(m.line())),
    ord("q"): lambda m: m.remember(m.read(1)[0]),
    ord("r"): lambda m: m.remember(m.number("<I")),
    0x94: lambda m: m.remember(len(m.memo)),  # MEMOIZE
}


class _Plain:
    """Replaces each stand-in by what it stands for; parts that are shared are walked once."""

    def __init__(self) -> None:
        self.done: dict[int, Any] = {}

    def of(self, value: Any, depth: int) -> Any:
        """Return the value in plain objects."""
        if isinstance(value, _Array):
            if value.value is None:
                raise ValueError("an array without content")
            return value.value
        if value is None or isinstance(value, str | bytes | bytearray | int | float | np.ndarray):
            return value
        if not isinstance(value, list | tuple | dict):
            raise RefusedError(f"a {type(value).__name__}")
        if depth == DEPTH:
            raise RefusedError(f"lists in lists, more than {DEPTH} deep")
        if id(value) not in self.done:
            if isinstance(value, dict):
                self.done[id(value)] = {key: self.of(item, depth + 1) for key, item in value.items()}
            else:
                self.done[id(value)] = type(value)(self.of(item, depth + 1) for item in value)
        return self.done[id(value)]
