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
        InputError: there is no module of that name, or (in a pass) it returns something else than a tensor.
    """
    modules = dict(network.named_modules())
    recorded: dict[str, Tensor] = {}
    for path in (path for name in names for path in _paths(network, name)):
        if path not in modules:
            raise InputError(f"{type(network).__name__} has no module {path!r} to tap.{nearest(path, modules)}")

        def record(_module: nn.Module, _inputs: Any, output: Any, path: str = path) -> None:
            if not isinstance(output, Tensor):
                raise InputError(
                    f"The module {path!r} cannot be tapped: it returns {type(output).__name__}, no tensor."
                )
            recorded[path] = output

        modules[path].register_forward_hook(record)
    return recorded


def _paths(network: nn.Module, name: str) -> tuple[str, ...]:
    """Return the dotted paths that a name stands for."""
    if name != STAGES:
        return (name,)
    stages = getattr(network, "stages", ())
    if not stages or not all(isinstance(path, str) for path in stages):
        raise InputError(
            f"{type(network).__name__} does not say what its stages are. Name modules by their dotted paths."
        )
    return tuple(stages)
