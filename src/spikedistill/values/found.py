"""Folders as registries: what lies in a package's modules is found there; no list is kept by hand."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import TypeVar

Kind = TypeVar("Kind")


@cache
def modules(package: str) -> tuple[ModuleType, ...]:
    """All modules of a package, imported."""
    path = importlib.import_module(package).__path__
    return tuple(importlib.import_module(info.name) for info in pkgutil.iter_modules(path, f"{package}."))


def found(package: str, base: type[Kind]) -> dict[str, type[Kind]]:
    """All public subclasses of `base` that the modules of `package` define, by class name, in alphabetical order.

    A class whose name starts with an underscore, and one that declares `abstract = True` in its own body, is a helper
    and left out.
    """
    classes: dict[str, type[Kind]] = {}
    for module in modules(package):
        for name, value in vars(module).items():
            if not isinstance(value, type) or not issubclass(value, base) or value is base:
                continue
            if value.__module__ == module.__name__ and not name.startswith("_") and not vars(value).get("abstract"):
                classes[name] = value
    return dict(sorted(classes.items()))
