"""What a network does, layer by layer: one forward pass, looked at.

    for layer in trace(network, images, steps=4):
        print(layer.path, layer.kind, layer.sources, layer.macs)

Parameters, operations, energy, firing rates, rasters and export are functions of this list. A layer is a call of a
module without modules in it, but for a neuron's surrogate gradient; norm and neurons of a `NormAct` are two. What a
forward pass computes between modules is no layer, but it is followed: `x + y` has the sources of both.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from spikedistill.models.signals import Signal, given_by, passed_by, passed_by_function, through
from spikedistill.neurons import Activation

INPUT = None
"""The source of what the network itself is given."""


@dataclass(frozen=True)
class Layer:
    """One call of a module."""

    path: str
    """Dotted path of the module; one that is called twice has two layers."""
    kind: str
    """Name of its class."""
    module: nn.Module
    inputs: tuple[tuple[int, ...], ...]
    """Shapes of the tensors that it is given: [T, B, ...] in this library's networks, T = 1 before time begins."""
    output: tuple[int, ...]
    """Shape of the (first) tensor that it returns; () where there is none."""
    sources: tuple[int | None, ...]
    """Places in the list of the layers whose outputs it is given, in their order; `INPUT` (None) for the network's
    input. A tensor that comes from nowhere, such as a parameter, adds none."""
    reads: Signal
    """What it is given."""
    gives: Signal
    """What it returns. Of a module that is not known here: spikes where all numbers are 0 or 1."""
    parameters: int
    """Learned numbers; 0 in the second call of a module."""
    macs: int
    """Multiply-accumulates of a convolution or linear layer for one image and one time step, as if all inputs were
    dense; 0 for other layers."""


@dataclass(frozen=True)
class _Tag:
    """Where a tensor comes from. The tensor is kept, so that no other takes its id."""

    tensor: Tensor
    sources: tuple[int | None, ...]
    signal: Signal


@torch.no_grad()
def trace(network: nn.Module, images: Tensor, steps: int | None = None) -> list[Layer]:
    """Return the layers of a network in the order in which they are called, from one pass in eval mode.

    Args:
        network: One of this library's, or any module: then `steps` is None, and it is called with the images alone.
        images: What the network takes; on the device "meta" nothing is computed.
        steps: T for static images.

    All activations of the pass are held until it ends: take few images.
    """
    tracer = _Tracer(images)
    was_training = network.training
    network.eval()
    try:
        with watching(network, tracer), tracer:
            network(images) if steps is None else network(images, steps)
    finally:
        network.train(was_training)
    return tracer.layers


@runtime_checkable
class Watcher(Protocol):
    """What sees every call of a layer."""

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """Before a call."""

    def leave(self, path: str) -> Callable[[nn.Module, Any, Any, Any], Any]:
        """Return what is called after each call of the module at that path: with it, its arguments and its result."""


@contextmanager
def watching(network: nn.Module, watcher: Watcher) -> Iterator[None]:
    """A context in which a watcher sees the calls of all layers, in the order of the list that `trace` returns."""
    handles = []
    inside = {id(child) for module in network.modules() if _fires(module) for child in module.children()}
    for path, module in network.named_modules():
        # an identity is seen through; attention does not call its own last linear layer
        whole = isinstance(module, nn.MultiheadAttention) or _fires(module)
        if (any(module.children()) and not whole) or type(module) is nn.Identity or id(module) in inside:
            continue
        handles.append(module.register_forward_pre_hook(watcher.enter, with_kwargs=True))
        handles.append(module.register_forward_hook(watcher.leave(path), with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _fires(module: nn.Module) -> bool:
    """Whether a module's own modules are surrogate gradients, as those of SpikingJelly's neurons are: it is a layer."""
    homes = [type(child).__module__ for child in module.children()]
    return bool(homes) and all(home.rpartition(".")[2] == "surrogate" for home in homes)


class _Tracer(TorchFunctionMode):
    """Tags every tensor of a pass with the layers that it comes from."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self.by_tensor: dict[int, _Tag] = {}
        self.by_storage: dict[int, _Tag] = {}
        self.counted: set[int] = set()
        self.depth = 0
        self.batch = images.shape[1] if images.dim() == 5 else images.shape[0]
        self.tag(images, (INPUT,), "dense")

    def tag(self, tensor: Tensor, sources: tuple[int | None, ...], signal: Signal) -> None:
        """Remember where a tensor comes from."""
        self.by_tensor[id(tensor)] = self.by_storage[_storage(tensor)] = _Tag(tensor, sources, signal)

    def origin(self, tensors: Iterable[Tensor]) -> tuple[tuple[int | None, ...], list[Signal]]:
        """Sources and signals of tensors; an unknown one may share the memory of one that is known."""
        tags = [self.by_tensor.get(id(t)) or self.by_storage.get(_storage(t)) for t in tensors]
        known = [tag for tag in tags if tag is not None]
        return tuple(dict.fromkeys(s for tag in known for s in tag.sources)), [tag.signal for tag in known]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What is computed between layers comes from where its inputs come from."""
        result = func(*args, **(kwargs or {}))
        if self.depth == 0:
            outputs = _tensors(result)
            if outputs:
                sources, signals = self.origin(_tensors((args, kwargs)))
                signal = passed_by_function(getattr(func, "__name__", ""), signals)
                for output in outputs:
                    self.tag(output, sources, signal)
        return result

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ARG002
        """What a layer does inside is its own affair."""
        self.depth += 1

    def leave(self, path: str) -> Callable[[nn.Module, Any, Any, Any], Any]:
        """Return the hook that adds a layer."""

        def add(module: nn.Module, args: Any, kwargs: Any, result: Any) -> Any:
            inputs = _tensors((args, kwargs))
            if isinstance(result, Tensor) and any(result is tensor for tensor in inputs):
                result = result.view_as(result)  # so that it can be told from its input
            self.depth -= 1
            outputs = _tensors(result)
            sources, signals = self.origin(inputs)
            gives = _gives(module, signals, outputs)
            for output in outputs:
                self.tag(output, sources=(len(self.layers),), signal=gives)
            seen = id(module) in self.counted
            self.counted.add(id(module))
            self.layers.append(
                Layer(
                    path=path,
                    kind=type(module).__name__,
                    module=module,
                    inputs=tuple(tuple(tensor.shape) for tensor in inputs),
                    output=tuple(outputs[0].shape) if outputs else (),
                    sources=sources,
                    reads=through(signals, same=True),
                    gives=gives,
                    parameters=0 if seen else sum(p.numel() for p in module.parameters()),
                    macs=_macs(module, outputs, self.batch),
                )
            )
            return result

        return add


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(value: Any) -> list[Tensor]:
    """Return the tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, tuple | list):
        return []
    return [tensor for item in value for tensor in _tensors(item)]


def _gives(module: nn.Module, signals: list[Signal], outputs: list[Tensor]) -> Signal:
    if isinstance(module, Activation):
        return given_by(module.neuron)
    passed = passed_by(module, signals)
    if passed is not None:
        return passed
    if not outputs or outputs[0].is_meta:
        return "dense"
    return "spikes" if bool(((outputs[0] == 0) | (outputs[0] == 1)).all()) else "dense"


def _macs(module: nn.Module, outputs: list[Tensor], batch: int) -> int:
    """Return the operations per output, times the outputs for one image in one step.

    Outputs of convolutions are [N, C, ...] or [T, B, C, ...], those of linear layers [N, ..., K] or [T, B, ..., K].
    """
    if not isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear) or not outputs:
        return 0
    shape = outputs[0].shape
    if isinstance(module, nn.Linear):
        each = len(shape) - (2 if len(shape) > 2 and shape[1] == batch else 1)
    else:
        each = 1 + len(module.kernel_size)
    return shape[-each:].numel() * module.weight[0].numel()
