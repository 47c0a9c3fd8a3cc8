"""`package.module:callable`: what a user's own code makes, found by name."""

import importlib
import os
import sys
from typing import Any

from spikedistill.errors import InputError, UserCodeError, nearest


def make(target: str, what: str) -> Any:
    """Import `package.module:callable`, also from the working directory, and return what it makes of no arguments.

    Args:
        target: The name. What is no callable is returned as it is, and so is a `torch.nn.Module`: it is made already.
        what: What it is to be, for the messages: "Teacher", "Model".

    Raises:
        InputError: the name is of another form, or the module has no such attribute.
        UserCodeError: the module cannot be imported, or the callable cannot be called.
    """
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise InputError(f"{what} {target!r} is not of the form package.module:callable.")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise UserCodeError(
            f"{what} {target!r} cannot be imported: {_said(error)}. Modules are looked for among the installed "
            "packages and in the working directory."
        ) from error
    if not hasattr(module, attribute):
        raise InputError(f"{what} {target!r}: {module_name} has no {attribute!r}.{nearest(attribute, vars(module))}")
    maker = getattr(module, attribute)
    if not callable(maker) or _is_module(maker):
        return maker
    try:
        return maker()
    except (Exception, SystemExit) as error:
        raise UserCodeError(f"{what} {target!r} cannot be called without arguments: {_said(error)}") from error


def _is_module(value: Any) -> bool:
    """Whether it is a `torch.nn.Module`, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
