"""From the calls of a module to a network on [T, B, ...]: ReLUs are neurons, all else stays what it was.

A norm whose output goes into a ReLU alone, or through one addition, is one `NormAct` with it at the norm's path, and so
may run as one kernel.
"""

import operator
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from spikedistill.errors import InputError
from spikedistill.models.folded import Function, Place
from spikedistill.models.layers import Add, Dropout, NormAct
from spikedistill.models.signals import Signal, given_by, passed_by, passed_by_function, through
from spikedistill.models.twin.convert import as_norm, converted, max_pool, neurons_of, norm_of, reshaped
from spikedistill.models.twin.follow import DROPOUT, Followed, called, function_of, path
from spikedistill.models.twin.known import DROPOUTS, RESHAPES, check, is_relu
from spikedistill.neurons import Neuron

ROOT = "module"
"""What the user's module is called within its twin."""
Calls = Callable[[nn.Module, Tensor, int | None], Tensor]
"""A forward pass: of a module that has the tree, from frames [T, B, C, H, W] and steps to logits [T, B, K]."""


@dataclass(frozen=True)
class Rewritten:
    """What a network is made of."""

    tree: nn.Module
    """Its layers, at the paths of the module's."""
    calls: Calls
    """Its forward pass."""
    stages: tuple[str, ...]
    """Paths of the last neurons at each size of the image; of all neurons where none are pixels."""
    fused: tuple[str, ...]
    """Paths of norms that are now within a `NormAct`."""


@dataclass(frozen=True)
class Fused:
    """A norm, and what may be added to its output before a ReLU."""

    norm: fx.Node
    residual: fx.Node | None = None


def rewrite(followed: Followed, neuron: Neuron) -> Rewritten:
    """Return a module's network with these neurons in place of ReLUs. Its layers' tensors are the module's.

    Raises:
        InputError: there is no ReLU, or something that has no spiking meaning.
    """
    nodes = live(followed)
    check(followed, nodes)
    if not any(_fires(followed, node) for node in nodes):
        raise InputError(f"{followed.name} has no ReLU that its answer hangs on: nothing in its twin would spike.")
    return _Rewriting(followed, neuron, nodes).rewritten()


def live(followed: Followed) -> list[fx.Node]:
    """Return the calls that the answer hangs on, in order, without those that give numbers."""
    wanted: set[fx.Node] = set()
    for node in reversed(followed.graph.nodes):
        if node.op == "output" or node in wanted:
            wanted |= {node, *(one for one in node.all_input_nodes if followed.gives_tensors(one))}
    return [node for node in followed.graph.nodes if node in wanted]


def _fires(followed: Followed, node: fx.Node) -> bool:
    return isinstance(followed.module(node), NormAct) if followed.own else is_relu(followed, node)


class _Rewriting:
    """One pass over the calls; each becomes a call of a layer, in a graph and a tree of modules that grow."""

    def __init__(self, followed: Followed, neuron: Neuron, nodes: list[fx.Node]) -> None:
        self.followed = followed
        self.neuron = neuron
        self.nodes = nodes
        alive = set(nodes)
        self.users = {node: [user for user in node.users if user in alive] for node in nodes}
        self.times = Counter(path(node) for node in nodes if node.op == "call_module")
        self.fused = {node: fused for node in nodes if (fused := self._fused(node)) is not None}
        self.within = {fused.norm for fused in self.fused.values()}
        self.within |= {self._input(node) for node, fused in self.fused.items() if fused.residual is not None}
        self.signals: dict[fx.Node, Signal] = {}
        for node in nodes:
            self.signals[node] = self._signal(node)
        self.graph = fx.Graph()
        self.made: dict[fx.Node, fx.Node] = {}
        self.tree = nn.Module()
        module = followed.root.module
        self.taken = {*dict(module.named_modules()), *dict(module.named_parameters()), *dict(module.named_buffers())}
        self.placed: set[str] = set()
        self.neurons: list[tuple[str, tuple[int, ...]]] = []

    def rewritten(self) -> Rewritten:
        """Make everything."""
        frames = self.graph.placeholder("frames")
        self.steps = self.graph.placeholder("steps")
        for node in self.nodes:
            if node.op == "placeholder":
                self.made[node] = frames
            elif node.op == "output":
                self.graph.output(self.made[self._input(node)])
            elif node not in self.within:
                self.made[node] = self._call(node)
        fused = tuple(path(one.norm) for one in self.fused.values())
        return Rewritten(self.tree, self._compiled(), self._stages(), fused)

    def _call(self, node: fx.Node) -> fx.Node:
        """Add what a call becomes."""
        if node.op == "get_attr":
            value = operator.attrgetter(str(node.target))(self.followed.root)
            return self.graph.get_attr(self._place(path(node), value))
        if self.followed.constant(node):
            return self._copied(node)
        if _fires(self.followed, node):
            return self._neurons(node)
        return self._layer(node) if node.op == "call_module" else self._function(node)

    def _neurons(self, node: fx.Node) -> fx.Node:
        """A ReLU, with the norm and the addition before it; or the `NormAct` of an ANN of this library."""
        module, fused = self.followed.module(node), self.fused.get(node)
        x, residual, norm = self._input(node), None, None
        if isinstance(module, NormAct):
            residual, norm = node.kwargs.get("residual", (*node.args, None)[1]), module.norm
        elif fused is not None:
            x, residual, norm = self._input(fused.norm), fused.residual, norm_of(self._module(fused.norm))
        where = self._free_path(node if fused is None else fused.norm)
        target = self._place(where, neurons_of(self.neuron, norm))
        self.neurons.append((target, self.followed.shape(node)))
        named: dict[str, Any] = {"steps": self.steps}
        if isinstance(residual, fx.Node):
            named |= {"residual": self.made[residual], "residual_is_spikes": self.signals[residual] == "spikes"}
        return self.graph.call_module(target, (self.made[x],), named)

    def _copied(self, node: fx.Node) -> fx.Node:
        """The same call, of what is a parameter, or of several outputs."""

        def known(one: fx.Node) -> Any:
            return self.made[one] if one in self.made else self.followed.values[one]

        return self.graph.create_node(node.op, node.target, map_arg(node.args, known), map_arg(node.kwargs, known))

    def _layer(self, node: fx.Node) -> fx.Node:
        module, where = self._module(node), path(node)
        if isinstance(module, nn.Identity):
            return self.made[self._input(node)]
        if type(module) in DROPOUTS:
            return self._dropout(node, float(module.p), DROPOUTS[type(module)])  # type: ignore[arg-type]
        if where not in self.placed:
            calls = [one for one in self.nodes if one.op == "call_module" and one.target == node.target]
            layer = (
                reshaped(self.followed.shape(node))
                if isinstance(module, nn.Flatten | nn.Unflatten) and len(calls) == 1
                else converted(module, [self.signals[self._input(one)] for one in calls], self.neuron)
            )
            self._place(where, layer)
        return self.graph.call_module(f"{ROOT}.{where}", tuple(map_arg(node.args, self.made.__getitem__)))

    def _dropout(self, node: fx.Node, p: float, shared: int) -> fx.Node:
        """Each call is a layer, which drops in places of its own."""
        where = self._free_path(node)
        target = self._place(where, Dropout(p, f"dropout {where}", shared))
        return self.graph.call_module(target, (self.made[self._input(node)],))

    def _function(self, node: fx.Node) -> fx.Node:
        if node.target in DROPOUT:
            return self._dropout(node, float(node.meta["p"]), DROPOUT[node.target])
        if called(node) == "getitem" and isinstance(self.followed.values[self._input(node)], list):
            return self._copied(node)  # one of several outputs
        known = self._known(node)
        if known is None:
            known, inputs = self._as_given(node)
        else:
            inputs = [self.made[one] for one in node.all_input_nodes if self.followed.timed(one)]
        return self.graph.call_module(self._place(self._free_path(node), known), tuple(inputs))

    def _known(self, node: fx.Node) -> nn.Module | None:
        """The layer of this library that does the same, if there is one."""
        if called(node) in RESHAPES:
            return reshaped(self.followed.shape(node))
        if called(node) == "max_pool2d":
            return max_pool(*node.args, **node.kwargs)  # type: ignore[arg-type]
        return Add() if self._adds(node) and node.args[0] is not node.args[1] else None

    def _as_given(self, node: fx.Node) -> tuple[Function, list[fx.Node]]:
        """A function with its arguments, and the tensors among them."""
        inputs: list[fx.Node] = []
        places: dict[fx.Node, Any] = {}
        for one in filter(self.followed.timed, node.all_input_nodes):
            several = self.followed.values[one]
            if isinstance(several, list):
                places[one] = [Place(len(inputs) + k) for k in range(len(several))]
                inputs += [self.graph.call_function(operator.getitem, (self.made[one], k)) for k in range(len(several))]
            else:
                places[one] = Place(len(inputs))
                inputs.append(self.made[one])
        timed = len(inputs)
        for one in filter(self.followed.constant, node.all_input_nodes):
            places[one] = Place(len(inputs))
            inputs.append(self.made[one])

        def known(one: fx.Node) -> Any:
            return places[one] if one in places else self.followed.values[one]

        given, named = map_arg(node.args, known), map_arg(node.kwargs, known)
        return Function(called(node), function_of(node), given, dict(named), timed), inputs

    def _signal(self, node: fx.Node) -> Signal:
        """What a call gives, in training too: what dropout leaves of spikes is no spike."""
        signals = [self.signals[one] for one in node.all_input_nodes if one in self.signals]
        module = self.followed.module(node)
        if _fires(self.followed, node):
            return given_by(self.neuron)
        if node.target in DROPOUT or isinstance(module, (Dropout, *DROPOUTS)):
            return through(signals, sums=True)
        if module is not None:
            same = isinstance(module, nn.Identity | nn.Unflatten)
            return (through(signals, same=True) if same else passed_by(module, signals)) or "dense"
        return passed_by_function(called(node), signals)

    def _fused(self, node: fx.Node) -> Fused | None:
        """The norm that a ReLU can be one step with."""
        if self.followed.own or not is_relu(self.followed, node):
            return None
        before = self._input(node)
        if self._only_feeds(before, node) and self._normal(before):
            return Fused(before)
        if not self._only_feeds(before, node) or not self._adds(before) or before.args[0] is before.args[1]:
            return None
        for norm, residual in (before.args, reversed(before.args)):
            assert isinstance(norm, fx.Node)
            assert isinstance(residual, fx.Node)
            if self._only_feeds(norm, before) and self._normal(norm):
                return Fused(norm, residual)
        return None

    def _adds(self, node: fx.Node) -> bool:
        """Whether a call is the sum of two tensors of one shape, all of the images."""
        if called(node) != "add" or node.kwargs or len(node.args) != 2:
            return False
        inputs = [one for one in node.args if isinstance(one, fx.Node) and self.followed.timed(one)]
        return len(inputs) == 2 and all(self.followed.shape(one) == self.followed.shape(node) for one in inputs)

    def _only_feeds(self, node: fx.Node, reader: fx.Node) -> bool:
        return self.users[node] == [reader]

    def _normal(self, node: fx.Node) -> bool:
        return as_norm(self.followed.module(node)) and self.times[path(node)] == 1

    def _module(self, node: fx.Node) -> nn.Module:
        module = self.followed.module(node)
        assert module is not None
        return module

    def _input(self, node: fx.Node) -> fx.Node:
        """The first tensor that a call is given."""
        return next(one for one in node.all_input_nodes if self.followed.timed(one))

    def _free_path(self, node: fx.Node) -> str:
        """The path of a layer, or a new one for its second neurons, or for a function."""
        if node.op == "call_module" and path(node) not in self.placed:
            return path(node)
        scope = str(node.meta["scope"]).removeprefix(ROOT).lstrip(".")
        wanted = path(node) if node.op == "call_module" else ".".join(filter(None, (scope, called(node))))
        number, found = 0, wanted
        while found in self.placed or found in self.taken or hasattr(nn.Module, found.rpartition(".")[2]):
            number += 1
            found = f"{wanted}_{number}"
        return found

    def _place(self, where: str, value: Any) -> str:
        """Put a module or a tensor into the tree; return its path in the network."""
        self.placed.add(where)
        *outer, name = where.split(".")
        parent = self.tree
        for one in outer:
            if not hasattr(parent, one):
                parent.add_module(one, nn.Module())
            parent = getattr(parent, one)
        if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
            parent.register_buffer(name, value)
        else:
            setattr(parent, name, value)
        return f"{ROOT}.{where}"

    def _stages(self) -> tuple[str, ...]:
        pixels = {shape[1:]: where for where, shape in self.neurons if len(shape) > 2}
        return tuple(pixels.values()) or tuple(where for where, _ in self.neurons)

    def _compiled(self) -> Calls:
        code = self.graph.python_code("self")
        names = dict(code.globals)
        exec(compile(code.src, "<twin>", "exec"), names)
        forward: Calls = names["forward"]
        return forward
