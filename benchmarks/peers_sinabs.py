"""sinabs 3.1's side: `IAFSqueeze` between layers on batch and time folded, [B * T, ...], batch outermost.

IAF for the MLP too, to stay with the one neuron that sinabs is about.
"""

from collections.abc import Callable

import sinabs
import sinabs.layers
import torch
from torch import Tensor, nn

from benchmarks.architectures import Parts, build
from benchmarks.tasks import Layer, NetworkTask, NormNeuronLayer, Task
from benchmarks.work import Side, Work, work


class Folded(nn.Module):
    """A network whose images are repeated over T next to each other."""

    def __init__(self, task: NetworkTask, parts: Parts) -> None:
        super().__init__()
        self.network, self.steps = build(task.net, parts), task.steps

    def forward(self, images: Tensor) -> Tensor:
        """Logits [T, B, K]."""
        logits: Tensor = self.network.body(self.network.stem(images.repeat_interleave(self.steps, 0)))
        return logits.unflatten(0, (-1, self.steps)).transpose(0, 1)


class FoldedLayer(nn.Module):
    """Layers on [B * T, ...] for currents that come with time first; the order of the two is of no account here."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*modules)

    def forward(self, currents: Tensor) -> Tensor:
        """Spikes [T, B, C, H, W]."""
        spikes: Tensor = self.layers(currents.flatten(0, 1))
        return spikes.view(currents.shape)


def node(steps: int) -> Callable[[], nn.Module]:
    """Hard reset at a threshold of one, at most one spike a step; sinabs' own surrogate."""
    return lambda: sinabs.layers.IAFSqueeze(
        num_timesteps=steps,
        spike_threshold=torch.tensor(1.0),
        spike_fn=sinabs.activation.SingleSpike,
        reset_fn=sinabs.activation.MembraneReset(),
    )


def network(task: NetworkTask) -> nn.Module:
    """PyTorch's layers with sinabs' neurons."""
    return Folded(task, Parts(nn.Conv2d, nn.BatchNorm2d, nn.BatchNorm1d, nn.Linear, nn.MaxPool2d, node(task.steps)))


def layer(task: Layer) -> nn.Module:
    """The neurons, with the norm where the task has it."""
    norm = [nn.BatchNorm2d(task.shape[0])] if isinstance(task, NormNeuronLayer) else []
    return FoldedLayer(*norm, node(task.steps)())


def tutorial(task: Task, device: torch.device) -> Work:
    """Float32."""
    return work(task, Side(network, layer, bf16=False, channels_last=False, reset=sinabs.reset_states), device)
