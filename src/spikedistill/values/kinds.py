"""Kinds: the classes that a field can hold. A folder is its own registry, no list is kept by hand.

A field that is annotated with a base takes any kind of that base: what the modules of the base's folder define, and
what a user's own modules define that have been imported. A base that is no value itself says `abstract = True` in its
own body. Its folder is that of its module, or the one that its `kinds_folder` names.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TypeVar

from spikedistill.errors import InputError, pick

Kind = TypeVar("Kind")

LIBRARY = __name__.partition(".")[0]


def kinds(base: type[Kind]) -> dict[str, type[Kind]]:
    """Return `base` and its subclasses that can be a value of that type, by class name, in alphabetical order.

    A class whose name starts with an underscore is a helper, and one with `abstract = True` in its own body a base.

    Raises:
        LookupError: there is none: the folder of the base is another one.
    """
    return _last(_candidates(base, _class_name))


def named_kinds(base: type[Kind]) -> dict[str, type[Kind]]:
    """Return the same by their names on the command line."""
    return _last(_candidates(base, command_name))


def shipped_kinds(base: type[Kind]) -> dict[str, type[Kind]]:
    """Return those that this library defines, by their names on the command line."""
    shipped = {
        name: [kind for kind in same if _shipped(kind)] for name, same in _candidates(base, command_name).items()
    }
    return _last({name: same for name, same in shipped.items() if same})


def pick_kind(base: type[Kind], class_name: str, what: str) -> type[Kind]:
    """Return the kind of this class name.

    Raises:
        InputError: there is none, or there are several; `what` says what is asked for.
    """
    return _only(class_name, pick(what, class_name, _candidates(base, _class_name)))


def pick_named_kind(base: type[Kind], name: str, what: str) -> type[Kind]:
    """Return the kind of this name on the command line. Raises as `pick_kind` does."""
    return _only(name, pick(what, name, _candidates(base, command_name)))


def command_name(kind: type) -> str:
    """Return a kind's name on the command line: its `name`, or its class name in lower case."""
    name = getattr(kind, "name", None)
    is_field = is_dataclass(kind) and "name" in {f.name for f in fields(kind)}
    return name if isinstance(name, str) and not is_field else kind.__name__.lower()


def _class_name(kind: type) -> str:
    return kind.__name__


def _candidates(base: type[Kind], name: Callable[[type], str]) -> dict[str, list[type[Kind]]]:
    _import_folder(base)  # type: ignore[arg-type]
    result: dict[str, list[type[Kind]]] = {}
    for kind in _concrete(base):
        result.setdefault(name(kind), []).append(kind)
    if not result:
        raise LookupError(f"There are no kinds of {base.__qualname__}; its `kinds_folder` says where they are.")
    return dict(sorted(result.items()))


def _concrete(base: type[Kind]) -> list[type[Kind]]:
    below = [kind for sub in base.__subclasses__() for kind in _concrete(sub)]
    helper = base.__name__.startswith("_") or vars(base).get("abstract")
    return list(dict.fromkeys(below if helper else [base, *below]))


def _last(candidates: dict[str, list[type[Kind]]]) -> dict[str, type[Kind]]:
    return {name: kinds[-1] for name, kinds in candidates.items()}


def _only(name: str, candidates: list[type[Kind]]) -> type[Kind]:
    """Return the last one: a module that was run again has defined its class anew."""
    modules = sorted({kind.__module__ for kind in candidates})
    if len(modules) > 1:
        raise InputError(f"Several classes are called {name}: in {', '.join(modules)}. Rename your own.")
    return candidates[-1]


def _shipped(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == LIBRARY


@cache
def _import_folder(base: type) -> None:
    """Import what lies in the folder of a base of this library; a user's own base has what has been imported."""
    if not _shipped(base):
        return
    folder = getattr(base, "kinds_folder", None)
    package = f"{LIBRARY}.{folder}" if folder else base.__module__.rpartition(".")[0]
    if package != LIBRARY:  # the folder of all folders has no kinds
        for info in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(info.name)
