"""Folders as registries: what lies in a package's modules is found there; no list is kept by hand."""

import importlib
import pkgutil
from typing import TypeVar

Kind = TypeVar("Kind")


def found(package: str, base: type[Kind]) -> dict[str, type[Kind]]:
    """All public subclasses of `base` that the modules of `package` define, by class name, in alphabetical order.

    A class whose name starts with an underscore, and one that declares `abstract = True` in its own body, is a helper
    and left out.
    """
    folder = importlib.import_module(package)
    classes: dict[str, type[Kind]] = {}
    for module_info in pkgutil.iter_modules(folder.__path__, f"{package}."):
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            if not isinstance(value, type) or not issubclass(value, base) or value is base:
                continue
            if value.__module__ == module.__name__ and not name.startswith("_") and not vars(value).get("abstract"):
                classes[name] = value
    return dict(sorted(classes.items()))
