"""Frozen dataclasses as JSON and back, strictly, and their hash.

A dataclass becomes an object with its fields and its class name under "kind". On the way back every key must be there
and none may be left over; a field that is annotated with a base class takes any of its subclasses.
Equal values have equal JSON: a field of floats is written as floats, whatever numbers it was given. A field whose
metadata says `added` came after values had been kept: it is left out at its default, so that those keep their hash.
"""

import contextlib
import hashlib
import json
import math
import types
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from spikedistill.errors import InputError, nearest, shown
from spikedistill.values.kinds import pick_kind

Value = TypeVar("Value")

KIND = "kind"
ADDED = "added"
UNUSED = "unused"
"""What a value calls the names of its fields that mean nothing beside the others; they are not kept."""
DEEPEST = 60
"""Levels of a value within a value; a teacher of a teacher takes two."""


class UnknownKindError(InputError):
    """A value is of a class that has not been imported, or that is not there."""


def parse_json(text: str | bytes) -> Any:
    """Return what JSON text says.

    Raises:
        InputError: it is no JSON, holds NaN or infinities, or is nested too deep.
    """
    try:
        data = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise _too_deep("The JSON") from None
    except ValueError as error:  # also what is not UTF-8, and a number of more than 4300 digits
        raise InputError(f"It is not JSON: {error}.") from error
    _check_depth(data)
    return data


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def to_json(value: Any, leave_out: tuple[str, ...] = ()) -> Any:
    """Return plain data for `json.dumps`.

    Args:
        value: A dataclass, tuple, number, string or None, nested at will.
        leave_out: Fields whose metadata has one of these keys are left out; with "unused" also those that a value says
            to be (`UNUSED`).

    Raises:
        InputError: the value is nested too deep; one that holds itself is.
    """
    return _plain(value, leave_out, DEEPEST)


def _plain(value: Any, leave_out: tuple[str, ...], levels: int) -> Any:
    if levels == 0:
        raise _too_deep("The value")
    if is_dataclass(value):
        unused = getattr(value, UNUSED, ()) if UNUSED in leave_out else ()
        kept = [f for f in fields(value) if f.name not in unused and not any(f.metadata.get(key) for key in leave_out)]
        kept = [f for f in kept if not (f.metadata.get(ADDED) and getattr(value, f.name) == f.default)]
        hints = get_type_hints(type(value))
        plain = {
            f.name: _as_annotated(hints[f.name], _plain(getattr(value, f.name), leave_out, levels - 1)) for f in kept
        }
        return {KIND: type(value).__name__} | plain
    if isinstance(value, tuple | list):
        return [_plain(item, leave_out, levels - 1) for item in value]
    return value


def _check_depth(data: Any) -> None:
    level = [data]
    for _ in range(DEEPEST):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [value for values in inner for value in values]
        if not level:
            return
    raise _too_deep("The JSON")


def _too_deep(what: str) -> InputError:
    return InputError(f"{what} is nested more than {DEEPEST} deep. Is a teacher its own teacher?")


def _as_annotated(hint: Any, plain: Any) -> Any:
    """Return an int as a float where the hint says float, also within tuples and unions."""
    hints = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if type(plain) is int and float in hints:
        with contextlib.suppress(OverflowError):  # no float holds it: who reads it says so
            return float(plain)
    inner = [get_args(h) for h in hints if get_origin(h) is tuple]
    if isinstance(plain, list) and inner:
        kinds = inner[0][:1] * len(plain) if inner[0][-1] is ... else inner[0]
        return [_as_annotated(*pair) for pair in zip(kinds, plain, strict=False)] + plain[len(kinds) :]
    return plain


def digest(value: Any) -> str:
    """SHA-256 in hex of what a value says, without the fields marked as place (where files lie) or label, or unused."""
    text = json.dumps(to_json(value, leave_out=("place", "label", UNUSED)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def from_json(kind: type[Value], data: Any, path: str = "") -> Value:
    """Return the value of type `kind` that `to_json` wrote as `data`.

    Raises:
        InputError: a key is unknown or missing, or a value is of another type; names the key's path.
    """
    _check_depth(data)
    result: Value = _read(kind, data, path or kind.__name__)
    return result


def _read(kind: Any, data: Any, path: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _read_union(get_args(kind), data, path)
    if origin is Literal:
        if data not in get_args(kind):
            raise InputError(f"{path} is {shown(data)}; allowed: {', '.join(map(repr, get_args(kind)))}.")
        return data
    if origin is tuple:
        return _read_tuple(get_args(kind), data, path)
    if is_dataclass(kind):
        return _read_dataclass(kind, data, path)  # type: ignore[arg-type]
    if kind is float and type(data) in (int, float):
        return _read_float(data, path)
    if type(data) is not kind:
        raise InputError(f"{path} is {shown(data)}; it must be of type {kind.__name__}.")
    return data


def _read_float(data: float, path: str) -> float:
    try:
        number = float(data)
    except OverflowError:  # a whole number that no float holds
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{path} is {shown(data)}; it must be a finite number.")
    return number


def _read_union(kinds: tuple[Any, ...], data: Any, path: str) -> Any:
    if data is None and type(None) in kinds:
        return None
    (kind,) = (k for k in kinds if k is not type(None))
    return _read(kind, data, path)


def _read_tuple(kinds: tuple[Any, ...], data: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise InputError(f"{path} is {shown(data)}; it must be a list.")
    if kinds[-1] is ...:
        kinds = kinds[:1] * len(data)
    if len(data) != len(kinds):
        raise InputError(f"{path} is {shown(data)}; it must have {len(kinds)} entries.")
    return tuple(_read(kind, item, f"{path}[{k}]") for k, (kind, item) in enumerate(zip(kinds, data, strict=True)))


def _read_dataclass(base: type, data: Any, path: str) -> Any:
    if not isinstance(data, dict) or not isinstance(data.get(KIND), str):
        raise InputError(f"{path} is {shown(data)}; it must be an object with the key {KIND!r}.")
    try:
        kind: Any = pick_kind(base, data[KIND], f"kind of {path}")
    except InputError as error:
        raise UnknownKindError(str(error)) from None
    known: dict[str, Field[Any]] = {f.name: f for f in fields(kind)}
    for name in data:
        if name not in known and name != KIND:
            raise InputError(
                f"Unknown key {path}.{shown(name)[1:-1]}.{nearest(name, known)} Allowed: {', '.join(known)}."
            )
    missing = [name for name in known if name not in data and not known[name].metadata.get(ADDED)]
    may_miss = [name for name in missing if hasattr(kind, UNUSED) and known[name].default is not MISSING]
    _check_none(path, [name for name in missing if name not in may_miss], data[KIND], known)
    hints = get_type_hints(kind)
    values = {name: _read(hints[name], data[name], f"{path}.{name}") for name in known if name in data}
    value = kind(**values)
    _check_none(path, [name for name in may_miss if name not in getattr(value, UNUSED)], data[KIND], known)
    return value


def _check_none(path: str, missing: list[str], kind: str, known: Iterable[str]) -> None:
    if missing:
        raise InputError(f"Missing key {path}.{missing[0]}: {kind} has the keys {', '.join(known)}.")
