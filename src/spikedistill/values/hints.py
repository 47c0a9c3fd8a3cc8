"""What an annotation of a field says: a part, a tuple of parts, or a plain value."""

import types
from dataclasses import is_dataclass
from typing import Any, Union, get_args, get_origin


def without_none(hint: Any) -> Any:
    """Return the annotation without `None`."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    (one,) = (kind for kind in get_args(hint) if kind is not type(None))
    return one


def allows_none(hint: Any) -> bool:
    """Whether the field can be None."""
    return get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)


def part_of(hint: Any) -> type | None:
    """Return the base of the parts that a field holds one of, or None where it holds a plain value."""
    one = without_none(hint)
    return one if isinstance(one, type) and is_dataclass(one) else None


def item_of(hint: Any) -> type | None:
    """Return the base of the parts that a field holds a tuple of, or None where it holds something else."""
    one = without_none(hint)
    return part_of(get_args(one)[0]) if get_origin(one) is tuple else None
