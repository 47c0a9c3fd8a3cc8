"""Frozen dataclasses as JSON and back, strictly, and their hash.

A dataclass becomes an object with its fields and its class name under "kind". On the way back every key must be there
and none may be left over; a field that is annotated with a base class takes any of its subclasses.
Equal values have equal JSON: a field of floats is written as floats, whatever numbers it was given. A field whose
metadata says `added` came after values had been kept: it is left out at its default, so that those keep their hash.
"""

import hashlib
import json
import math
import types
from dataclasses import Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from spikedistill.errors import InputError, nearest, pick
from spikedistill.values.found import modules

Value = TypeVar("Value")

KIND = "kind"
ADDED = "added"
LIBRARY = __name__.partition(".")[0]


class UnknownKindError(InputError):
    """A value is of a class that has not been imported, or that is not there."""


def to_json(value: Any, leave_out: tuple[str, ...] = ()) -> Any:
    """Return plain data for `json.dumps`.

    Args:
        value: A dataclass, tuple, number, string or None, nested at will.
        leave_out: Fields whose metadata has one of these keys are left out.
    """
    if is_dataclass(value):
        kept = [f for f in fields(value) if not any(f.metadata.get(key) for key in leave_out)]
        kept = [f for f in kept if not (f.metadata.get(ADDED) and getattr(value, f.name) == f.default)]
        hints = get_type_hints(type(value))
        plain = {f.name: _as_annotated(hints[f.name], to_json(getattr(value, f.name), leave_out)) for f in kept}
        return {KIND: type(value).__name__} | plain
    if isinstance(value, tuple | list):
        return [to_json(item, leave_out) for item in value]
    return value


def _as_annotated(hint: Any, plain: Any) -> Any:
    """Return an int as a float where the hint says float, also within tuples and unions."""
    hints = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if type(plain) is int and float in hints:
        return float(plain)
    inner = [get_args(h)[0] for h in hints if get_origin(h) is tuple]
    if isinstance(plain, list) and inner:
        return [_as_annotated(inner[0], item) for item in plain]
    return plain


def digest(value: Any) -> str:
    """SHA-256 in hex of what a value says, without the fields marked as place (where files lie) or label."""
    text = json.dumps(to_json(value, leave_out=("place", "label")), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def from_json(kind: type[Value], data: Any, path: str = "") -> Value:
    """Return the value of type `kind` that `to_json` wrote as `data`.

    Raises:
        InputError: a key is unknown or missing, or a value is of another type; names the key's path.
    """
    result: Value = _read(kind, data, path or kind.__name__)
    return result


def concrete_kinds(base: type) -> dict[str, type]:
    """Return `base` and its subclasses that can be a value of that type, by class name.

    They are found in the folder of this library that `base` is defined in, and wherever else has been imported. A class
    that stands at the root of others, and one with `abstract = True` in its own body, is no value.
    """
    return {kind.__name__: kind for kind in _all_kinds(base)}


def _all_kinds(base: type) -> list[type]:
    library, _, folder = base.__module__.rpartition(".")[0].partition(".")
    if library == LIBRARY and folder:
        modules(f"{library}.{folder}")
    direct: list[type] = base.__subclasses__()
    below = [kind for sub in direct for kind in _all_kinds(sub)]
    root_of_others = bool(below) and base.__mro__[1] is object
    return below if root_of_others or vars(base).get("abstract") else [base, *below]


def _read(kind: Any, data: Any, path: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _read_union(get_args(kind), data, path)
    if origin is Literal:
        if data not in get_args(kind):
            raise InputError(f"{path} is {data!r}; allowed: {', '.join(map(repr, get_args(kind)))}.")
        return data
    if origin is tuple:
        return _read_tuple(get_args(kind), data, path)
    if is_dataclass(kind):
        return _read_dataclass(kind, data, path)  # type: ignore[arg-type]
    if kind is float and type(data) in (int, float):
        if not math.isfinite(data):
            raise InputError(f"{path} is {data!r}; it must be a finite number.")
        return float(data)
    if type(data) is not kind:
        raise InputError(f"{path} is {data!r}; it must be of type {kind.__name__}.")
    return data


def _read_union(kinds: tuple[Any, ...], data: Any, path: str) -> Any:
    if data is None and type(None) in kinds:
        return None
    (kind,) = (k for k in kinds if k is not type(None))
    return _read(kind, data, path)


def _read_tuple(kinds: tuple[Any, ...], data: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise InputError(f"{path} is {data!r}; it must be a list.")
    return tuple(_read(kinds[0], item, f"{path}[{k}]") for k, item in enumerate(data))


def _read_dataclass(base: type, data: Any, path: str) -> Any:
    if not isinstance(data, dict) or not isinstance(data.get(KIND), str):
        raise InputError(f"{path} is {data!r}; it must be an object with the key {KIND!r}.")
    try:
        kind = pick(f"kind of {path}", data[KIND], concrete_kinds(base))
    except InputError as error:
        raise UnknownKindError(str(error)) from None
    modules = sorted({other.__module__ for other in _all_kinds(base) if other.__name__ == kind.__name__})
    if len(modules) > 1:
        raise InputError(f"Several classes are called {kind.__name__}: in {', '.join(modules)}. Rename your own.")
    known: dict[str, Field[Any]] = {f.name: f for f in fields(kind)}
    for name in data:
        if name not in known and name != KIND:
            raise InputError(f"Unknown key {path}.{name}.{nearest(name, known)} Allowed: {', '.join(known)}.")
    missing = [name for name in known if name not in data and not known[name].metadata.get(ADDED)]
    if missing:
        raise InputError(f"Missing key {path}.{missing[0]}: {data[KIND]} has the keys {', '.join(known)}.")
    hints = get_type_hints(kind)
    values = {name: _read(hints[name], data[name], f"{path}.{name}") for name in known if name in data}
    return kind(**values)
