"""Activations by name: forward hooks on modules that are named by their dotted paths."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from spikedistill.errors import InputError, nearest

STAGES = "stages"
"""Stands for all of a network's own `stages`."""


def attach(network: nn.Module, names: Sequence[str]) -> dict[str, Tensor]:
    """Record the outputs of modules in every forward pass from now on.

    Args:
        network: Any module; "stages" needs one with an attribute `stages`, a tuple of dotted paths.
        names: Dotted paths of modules, or "stages" for all of the network's own.

    Returns:
        The outputs of the last forward pass by dotted path, in the order asked for.

    Raises:
        InputError: there is no module of that name.
    """
    modules = dict(network.named_modules())
    paths = [path for name in names for path in (getattr(network, "stages", ()) if name == STAGES else (name,))]
    recorded: dict[str, Tensor] = {}
    for path in paths:
        if path not in modules:
            raise InputError(f"{type(network).__name__} has no module {path!r} to tap.{nearest(path, modules)}")

        def record(_module: nn.Module, _inputs: Any, output: Tensor, path: str = path) -> None:
            recorded[path] = output

        modules[path].register_forward_hook(record)
    return recorded
