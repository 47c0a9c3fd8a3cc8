"""A loop over time around PyTorch's own layers, which is how snnTorch and norse are used."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.architectures import Parts, build
from benchmarks.tasks import Layer, Net, NetworkTask, NormNeuronLayer, Task
from benchmarks.work import Side, Work, work


class Stateful(nn.Module):
    """A neuron of the form `cell(x, state) -> (spikes, state)` that keeps its state until it is reset."""

    def __init__(self, cell: Callable[..., tuple[Tensor, object]]) -> None:
        super().__init__()
        self.cell = cell
        self.state: object = None

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of one step."""
        spikes, self.state = self.cell(x, self.state)
        return spikes


class Looped(nn.Module):
    """Every layer in every time step; norms see one step at a time, as in those frameworks' tutorials."""

    def __init__(self, net: Net, parts: Parts, steps: int) -> None:
        super().__init__()
        self.network, self.steps = build(net, parts), steps

    def forward(self, images: Tensor) -> Tensor:
        """Logits [T, B, K]."""
        return torch.stack([self.network.body(self.network.stem(images)) for _ in range(self.steps)])


class LoopedLayer(nn.Module):
    """Modules of one step, over all steps."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.one_step = nn.Sequential(*modules)

    def forward(self, currents: Tensor) -> Tensor:
        """Spikes [T, B, C, H, W]."""
        return torch.stack([self.one_step(x) for x in currents])


def reset(module: nn.Module) -> None:
    """Forget all states."""
    for part in module.modules():
        if isinstance(part, Stateful):
            part.state = None


def float32(task: Task, device: torch.device, node: Callable[[str], Stateful]) -> Work:
    """The task in float32; `node(kind of network)` makes a layer of neurons."""

    def network(task: NetworkTask) -> nn.Module:
        parts = Parts(nn.Conv2d, nn.BatchNorm2d, nn.BatchNorm1d, nn.Linear, nn.MaxPool2d, lambda: node(task.net.kind))
        return Looped(task.net, parts, task.steps)

    def layer(task: Layer) -> nn.Module:
        norm = [nn.BatchNorm2d(task.shape[0])] if isinstance(task, NormNeuronLayer) else []
        return LoopedLayer(*norm, node("layer"))

    return work(task, Side(network, layer, bf16=False, channels_last=False, reset=reset), device)
