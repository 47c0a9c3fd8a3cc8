"""Activations by name: forward hooks on modules that are named by their dotted paths.

    taps = attach(network, ("stages", "stem_act.current"))
    with taps.recording():
        logits = network(images, steps)
    activations = taps.take()

Of a network of this library, `STAGE` is what fires there, `STAGE.current` what enters the neurons, `STAGE.norm` the
norm's output, and "stages", "stages.current", "stages.norm" are those of all of its stages.

`PATH.input` is what enters a module of any network, its first argument, copied in case the module works in place. Of a
ResNet of torchvision, `layer1.1.relu.input` is what the last ReLU of a block reads: the sum of both branches.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from spikedistill.errors import InputError, nearest

INPUT = ".input"
"""The end of the name of what enters a module."""
STAGES = "stages"
"""Stands for all of a network's own `stages`; "stages.current" for the module `current` of each."""
SHOWN = 8
"""Names of modules in an error."""


@dataclass
class Recording:
    """What the hooks of one `Taps` share."""

    on: bool = False
    outputs: dict[str, Tensor] = field(default_factory=dict)
    versions: dict[str, int | None] = field(default_factory=dict)
    """How often each had been changed in place when it was recorded; None where torch does not count."""

    def keep(self, path: str, tensor: Tensor) -> None:
        """Keep what a hook saw."""
        self.outputs[path], self.versions[path] = tensor, _version(tensor)

    def clear(self) -> None:
        """Hold nothing."""
        self.outputs.clear()
        self.versions.clear()


class Tap:
    """The forward hook of one module."""

    def __init__(self, path: str, recording: Recording) -> None:
        self.path = path
        self.recording = recording

    def __call__(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        """Keep the output while a recording is on. Raises InputError where it is no tensor."""
        if not self.recording.on:
            return
        if not isinstance(output, Tensor):
            raise InputError(
                f"The module {self.path!r} cannot be tapped: it returns {type(output).__name__}, no tensor."
            )
        self.recording.keep(self.path, output)


class InputTap:
    """The hook before one module."""

    def __init__(self, path: str, recording: Recording) -> None:
        self.path = path
        self.recording = recording

    def __call__(self, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Keep a copy of the first argument while a recording is on. Raises InputError where it is no tensor."""
        if not self.recording.on:
            return
        if not inputs or not isinstance(inputs[0], Tensor):
            raise InputError(f"{self.path!r} cannot be tapped: the module's first argument is no tensor.")
        self.recording.keep(self.path, inputs[0].clone())


def watched(*modules: nn.Module) -> bool:
    """Whether one of the modules has hooks that want to see what goes in and out now; taps do while they record."""
    for module in modules:
        if module._backward_hooks or module._backward_pre_hooks:
            return True
        after, before = module._forward_hooks, module._forward_pre_hooks
        if (after or before) and any(_wants(hook) for hook in (*after.values(), *before.values())):
            return True
    return False


def _wants(hook: Any) -> bool:
    return not isinstance(hook, Tap | InputTap) or hook.recording.on


class Taps:
    """The outputs of some modules of a network, recorded in the passes that are made within `recording()`."""

    def __init__(self, paths: tuple[str, ...], time: bool) -> None:
        self.paths = paths
        self.time = time
        self._recording = Recording()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """A context for one forward pass; outside it nothing is recorded, and nothing is held after `take`."""
        self._recording.clear()
        self._recording.on = True
        done = False
        try:
            yield
            done = True
        finally:
            self._recording.on = False
            if not done:
                self._recording.clear()

    def take(self) -> dict[str, Tensor]:
        """Return the recorded outputs [T, B, ...] by dotted path, in the order asked for, and release them.

        A module that is called more than once in a pass gives its last output.

        Raises:
            InputError: a module was not called, or its output was changed in place after it had returned.
        """
        outputs, versions = self._recording.outputs, self._recording.versions
        taken = {}
        for path in self.paths:
            if path not in outputs:
                raise InputError(f"The tap {path!r} recorded nothing: the network's forward pass does not call it.")
            if versions[path] not in (None, _version(outputs[path])):
                raise InputError(
                    f"What {path!r} returns is changed in place afterwards (+=, or a ReLU with inplace=True), so it is "
                    f"not there any more. Name what enters the module that comes next: NEXT{INPUT}."
                )
            taken[path] = outputs[path] if self.time else outputs[path].unsqueeze(0)
        self._recording.clear()
        return taken

    def hook(self, path: str, modules: dict[str, nn.Module]) -> None:
        """Register the hook for a path, on the module of that name or before the one whose input it names."""
        if path in modules:
            modules[path].register_forward_hook(Tap(path, self._recording))
        else:
            modules[path.removesuffix(INPUT)].register_forward_pre_hook(InputTap(path, self._recording))


def attach(network: nn.Module, names: Sequence[str], *, time: bool = True) -> Taps:
    """Return taps on a network, from which the outputs of modules can be recorded.

    Args:
        network: Any module; "stages" needs one with an attribute `stages`, a tuple of dotted paths.
        names: Dotted paths of modules, "stages" for all of the network's own, or "stages.x" for the module x of each;
            with ".input" at the end, what enters them.
        time: Whether the modules' outputs are [T, B, ...], as in this library's networks. Outputs [B, ...] of a
            network without time get a first axis of length 1.

    Raises:
        InputError: there is no module of that name, the network's modules do not see time (its `tappable` is False), or
            (in a pass) a module returns something else than a tensor.
    """
    if names and not getattr(network, "tappable", True):
        raise InputError(
            f"{type(network).__name__} is called in another way than once with [T, B, ...]: no taps on it."
        )
    modules = dict(network.named_modules())
    paths = tuple(dict.fromkeys(path for name in names for path in _paths(network, name, modules)))
    taps = Taps(paths, time)
    for path in paths:
        module = path if path in modules else path.removesuffix(INPUT)
        if module not in modules:
            raise InputError(
                f"{type(network).__name__} has no module {module!r} to tap.{_instead(module, network, modules)}"
            )
        taps.hook(path, modules)
    return taps


def _instead(module: str, network: nn.Module, modules: dict[str, nn.Module]) -> str:
    """The nearest name, or where none is near the network's stages, or its first modules."""
    if near := nearest(module, modules):
        return near
    names, kind = _stages(network), "stages"
    if not names:
        names, kind = tuple(name for name in modules if name), "modules"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f" Its {kind} are {', '.join(names[:SHOWN]) or 'none'}{more}."


def _stages(network: nn.Module) -> tuple[str, ...]:
    """The paths that a network calls its stages; none where it says nothing of that kind."""
    stages = getattr(network, "stages", ())
    named = isinstance(stages, tuple | list) and all(isinstance(path, str) for path in stages)
    return tuple(stages) if named else ()


def _version(tensor: Tensor) -> int | None:
    """How often a tensor has been changed in place; None where torch does not count."""
    return None if torch.compiler.is_compiling() or tensor.is_inference() else tensor._version


def _paths(network: nn.Module, name: str, modules: dict[str, nn.Module]) -> tuple[str, ...]:
    """Return the dotted paths that a name stands for."""
    first, _, inside = name.partition(".")
    if first != STAGES or (inside and name in modules):
        return (name,)
    stages = _stages(network)
    if not stages:
        raise InputError(
            f"{type(network).__name__} does not say what its stages are. Name modules by their dotted paths."
        )
    return tuple(f"{path}.{inside}" if inside else path for path in stages)
