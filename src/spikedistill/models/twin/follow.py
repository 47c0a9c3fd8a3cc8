"""What the forward pass of a module does, followed by torch.fx: its calls, where they stand, and what they give.

The pass that counts is that of evaluation. A number that a call is given, such as a size, is known here, unless it
hangs on how many images there are.
"""

import inspect
import linecache
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from traceback import walk_tb
from types import FrameType
from typing import Any

import jaxtyping
import torch
from torch import Tensor, fx, nn

from spikedistill import errors
from spikedistill.errors import InputError
from spikedistill.models import layers
from spikedistill.models.model import Network, Shape

BATCHES = (2, 3)
"""Numbers of images that are shown; what differs between the two hangs on it."""
HANGS = object()
"""A number that hangs on the images: on how many there are, most often."""
DROPOUT: dict[Any, int] = {
    nn.functional.dropout: 0,
    nn.functional.dropout1d: 1,
    nn.functional.dropout2d: 2,
    nn.functional.dropout3d: 3,
}
"""Functions that drop, with the number of axes that share their fate."""
# jaxtyping stands around calls of this library where its types are checked
_NOT_THE_USERS = tuple(os.path.dirname(str(package.__file__)) for package in (torch, errors, jaxtyping))


@dataclass(frozen=True)
class Made:
    """A tensor that a call gives: its shape for each of `BATCHES`."""

    shapes: tuple[tuple[int, ...], tuple[int, ...]]


class Asked(nn.Module):
    """A module that is asked about images alone, whatever else its forward pass may take."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Any) -> Any:
        """What the module answers to images, or to torch.fx's stand-in for them.

        A network of this library is given frames [1, B, C, H, W].
        """
        return self.module.logits(images, None) if isinstance(self.module, Network) else self.module(images)


class _Tracer(fx.Tracer):
    """Follows into modules of the user's; those of torch and the layers of this library are calls."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """See `fx.Tracer`."""
        ours = type(m).__module__ == layers.__name__ or type(m).__module__.startswith("spikedistill.neurons.")
        return ours or super().is_leaf_module(m, module_qualified_name)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """See `fx.Tracer`; a call knows its line, and the module that it is made in."""
        node = super().create_node(*args, **kwargs)
        node.meta |= {"line": _line(_inner_frames(sys._getframe())), "scope": self.scope.module_path}
        return node


class Followed:
    """The calls of a module's forward pass.

    Args:
        module: It is asked about images of noise, and left in training mode.
        shape: Of the images.
        name: For messages: `The model 'zoo:net'`.

    Raises:
        InputError: torch.fx cannot follow it, or it does something else in training than in evaluation.
    """

    def __init__(self, module: nn.Module, shape: Shape, name: str) -> None:
        self.name = name
        self.own = isinstance(module, Network)
        self.root = Asked(module)
        training, self.graph = (self._follow(mode) for mode in (True, False))
        self._note_dropouts(training)
        self._use_what_was_changed()
        self.values = self._values(shape)
        self.of_images: set[fx.Node] = set()
        for node in self.graph.nodes:
            hangs = any(one in self.of_images or self.values[one] is HANGS for one in node.all_input_nodes)
            if node.op == "placeholder" or (hangs and self.gives_tensors(node)):
                self.of_images.add(node)

    @property
    def batch_axis(self) -> int:
        """Which axis counts the images: in this library's networks time is before it."""
        return 1 if self.own else 0

    def module(self, node: fx.Node) -> nn.Module | None:
        """Return the module that is called, if one is."""
        return self.root.get_submodule(str(node.target)) if node.op == "call_module" else None

    def timed(self, node: fx.Node) -> bool:
        """Whether a call gives a tensor that has a row for each image, or a tuple of such."""
        return _timed(self.values[node], self.batch_axis)

    def constant(self, node: fx.Node) -> bool:
        """Whether a call gives a tensor that has nothing to do with images, such as a parameter."""
        return self.gives_tensors(node) and node not in self.of_images

    def gives_tensors(self, node: fx.Node) -> bool:
        """Whether a call gives a tensor, or several; not numbers."""
        value = self.values[node]
        values = value if isinstance(value, list) else [value]
        return bool(values) and all(isinstance(item, Made) for item in values)

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        """Return the shape of what a call gives for each image."""
        value = self.values[node]
        assert isinstance(value, Made)
        return value.shapes[0][self.batch_axis + 1 :]

    def what(self, node: fx.Node) -> str:
        """Say what a call is and where it stands: `relu at net.py, line 12`."""
        module = self.module(node)
        named = called(node) if module is None else f"{type(module).__name__} {path(node)!r}"
        line = node.meta["line"]
        return f"{named} at {line}" if line else named

    def _follow(self, training: bool) -> fx.Graph:
        self.root.train(training)
        try:
            return _Tracer().trace(self.root)
        except InputError:
            raise
        except Exception as error:
            frames = [(frame, line) for frame, line in walk_tb(error.__traceback__)]
            raise InputError(
                f"{self.name} cannot be made a twin: torch.fx cannot follow its forward pass at "
                f"{_line(reversed(frames), source=True) or 'a line of torch'}: {_first_line(error)}. "
                "Write it so that it makes the same calls whatever the images are."
            ) from error

    def _note_dropouts(self, training: fx.Graph) -> None:
        """Note which functions drop in training. Raises InputError where anything else differs, or evaluation drops."""
        ours, theirs = list(self.graph.nodes), list(training.nodes)
        for node, other in zip(ours, theirs, strict=False):
            if node.target in DROPOUT and other.target in DROPOUT:
                given, in_training = _bound(node), _bound(other)
                if given["training"]:
                    raise InputError(
                        f"{self.name} drops numbers in evaluation too: {self.what(node)}. Say training=self.training, "
                        "or take nn.Dropout."
                    )
                node.meta["p"] = in_training["p"] if in_training["training"] else 0.0
            elif _said(node) != _said(other):
                raise self._differs(node)
        if len(ours) != len(theirs):
            raise self._differs(ours[-1])

    def _differs(self, node: fx.Node) -> InputError:
        return InputError(
            f"{self.name} does something else in training than in evaluation: {self.what(node)}. A twin has one "
            "forward pass for both: only dropout may know the difference, and nothing may change from call to call."
        )

    def _use_what_was_changed(self) -> None:
        """Let later calls read what a call that changes its input has made of it."""
        order = {node: k for k, node in enumerate(self.graph.nodes)}
        for node in self.graph.nodes:
            if self._changes_its_input(node) and node.args and isinstance(node.args[0], fx.Node):
                later = {user for user in node.args[0].users if order[user] > order[node]}
                node.args[0].replace_all_uses_with(node, delete_user_cb=later.__contains__)

    def _changes_its_input(self, node: fx.Node) -> bool:
        name = str(getattr(node.target, "__name__", node.target))
        by_name = node.op in ("call_function", "call_method") and name.endswith("_") and not name.endswith("__")
        inplace = node.kwargs.get("inplace") or getattr(self.module(node), "inplace", False)
        return by_name or bool(inplace)

    @torch.no_grad()
    def _values(self, shape: Shape) -> dict[fx.Node, Any]:
        """What each call gives: a number as it is, `HANGS`, `Made` for a tensor, tuples of these."""
        self.root.eval()
        seen: list[dict[fx.Node, Any]] = []
        for batch in BATCHES:
            images = torch.rand(batch, *shape, generator=torch.Generator().manual_seed(batch))
            looked = _Looked(self.root, self.graph)
            looked.run(images.unsqueeze(0) if self.own else images)
            seen.append(looked.values)
        self.root.train()
        return {node: _joined(*(values[node] for values in seen)) for node in self.graph.nodes}


class _Looked(fx.Interpreter):
    """Runs a graph, and remembers shapes and numbers."""

    def __init__(self, root: nn.Module, graph: fx.Graph) -> None:
        super().__init__(root, graph=graph)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """See `fx.Interpreter`."""
        result = super().run_node(n)
        self.values[n] = _looked(result)
        return result


def _looked(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Made((tuple(value.shape), tuple(value.shape)))
    if isinstance(value, tuple | list):
        return [_looked(item) for item in value]
    return value


def _joined(one: Any, other: Any) -> Any:
    if isinstance(one, Made) and isinstance(other, Made):
        return Made((one.shapes[0], other.shapes[0]))
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [_joined(*pair) for pair in zip(one, other, strict=True)]
    return one if type(one) is type(other) and one == other else HANGS


def _timed(value: Any, axis: int) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_timed(item, axis) for item in value)
    if not isinstance(value, Made):
        return False
    few, more = value.shapes
    batches = (few[axis : axis + 1], more[axis : axis + 1])
    return batches == tuple((batch,) for batch in BATCHES) and few[axis + 1 :] == more[axis + 1 :]


def path(node: fx.Node) -> str:
    """Return the path of a called module or of a parameter, as the user's module has it."""
    return str(node.target).removeprefix("module.")


def called(node: fx.Node) -> str:
    """Return the name of a called function or method, without the mark of one that changes its input."""
    name = str(getattr(node.target, "__name__", node.target))
    return name.removesuffix("_") if node.op in ("call_function", "call_method") else name


def function_of(node: fx.Node) -> Callable[..., Any]:
    """Return the function that is called, or a tensor's method as one."""
    found: Callable[..., Any] = getattr(Tensor, called(node)) if isinstance(node.target, str) else node.target
    return found


def _said(node: fx.Node) -> tuple[Any, ...]:
    return node.op, node.target, str(node.args), str(node.kwargs)


def _bound(node: fx.Node) -> dict[str, Any]:
    """The arguments of a dropout by their names."""
    assert callable(node.target)
    bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)
    bound.apply_defaults()
    return bound.arguments


def _inner_frames(frame: FrameType | None) -> Iterable[tuple[FrameType, int]]:
    """The frames from here out to the forward pass of the user's module."""
    while frame is not None and (frame.f_code.co_filename, frame.f_code.co_name) != (__file__, "forward"):
        yield frame, frame.f_lineno
        frame = frame.f_back


def _line(frames: Iterable[tuple[FrameType, int]], source: bool = False) -> str:
    """`net.py, line 12`: the first line that is neither torch's nor this library's; with its source, if asked."""
    for frame, line in frames:
        file = frame.f_code.co_filename
        if not file.startswith((*_NOT_THE_USERS, "<")):
            text = linecache.getline(file, line).strip() if source else ""
            return f"{os.path.basename(file)}, line {line}" + (f" ({text})" if text else "")
    return ""


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0].removesuffix(".")
