"""Stateless layers and functions of torch, written for [B, ...], as layers on [T, B, ...].

Time and batch are one axis for them, which copies nothing. Of several inputs one may have one time step, a still image
that neurons have not read yet: it is held.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor, nn

from spikedistill.neurons import spread


@cache
def folded(kind: type[nn.Module]) -> type[nn.Module]:
    """Return the class of the same layers on [T, B, ...]: of the same name, with the same parameters."""

    def forward(self: nn.Module, x: Tensor) -> Any:
        return over_time(lambda inputs: kind.forward(self, *inputs), [x])

    return type(kind.__name__, (kind,), {"forward": forward, "__doc__": f"{kind.__name__} on [T, B, ...]."})


def over_time(function: Callable[[Sequence[Tensor]], Any], inputs: Sequence[Tensor]) -> Any:
    """Return what a function of tensors [T * B, ...] makes of tensors [T, B, ...]: tensors [T, B, ...], or tuples."""
    steps, batch = max(len(x) for x in inputs), inputs[0].shape[1]
    result = function([spread(x, steps).flatten(0, 1) for x in inputs])

    def unfold(value: Any) -> Any:
        return value.view(steps, batch, *value.shape[1:]) if isinstance(value, Tensor) else tuple(map(unfold, value))

    return unfold(result)


@dataclass(frozen=True)
class Place:
    """Where the `index`-th input of a call goes, among its arguments."""

    index: int


class Function(nn.Module):
    """A call of a function, with tensors in some places of its arguments; `name` is the function's.

    The first `timed` inputs are [T, B, ...], as the outputs are; the rest, parameters say, are given as they are.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        named: dict[str, Any],
        timed: int,
    ) -> None:
        super().__init__()
        self.name = name
        self.function = function
        self.arguments = tuple(arguments)
        self.named = named
        self.timed = timed

    def forward(self, *inputs: Tensor) -> Any:
        """Outputs [T, B, ...], a tensor or a tuple of them."""

        def call(tensors: Sequence[Tensor]) -> Any:
            given = (*tensors, *inputs[self.timed :])
            return self.function(*put(self.arguments, given), **put(self.named, given))

        return over_time(call, inputs[: self.timed])

    def extra_repr(self) -> str:
        """The function's name."""
        return self.name


def put(value: Any, inputs: Sequence[Tensor]) -> Any:
    """Return nested arguments with inputs in their places."""
    if isinstance(value, Place):
        return inputs[value.index]
    if isinstance(value, tuple | list):
        return type(value)(put(item, inputs) for item in value)
    if isinstance(value, slice):
        return slice(*(put(item, inputs) for item in (value.start, value.stop, value.step)))
    if isinstance(value, dict):
        return {key: put(item, inputs) for key, item in value.items()}
    return value
