"""SpikingJelly 2.0.0's side: multi-step layers from `spikingjelly.activation_based`, reset after each step.

`tutorial` is what its tutorials show: float32, contiguous, the image repeated over T before the first layer. `best` is
what one can reach with its layers on a CPU: bf16 autocast, channels_last, the first layer once (its older tutorials'
`static_conv`), and a float32 membrane. Its `IFNode` makes the membrane in the input's dtype, and its fused op asks for
float32, so under autocast the node falls back to a Python loop over T; `amp` shows that.
"""

from collections.abc import Callable

import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn

from benchmarks import ours
from benchmarks.architectures import Parts, build
from benchmarks.tasks import Distillation, Layer, Net, NetworkTask, NormNeuronLayer, Task
from benchmarks.work import Side, Work, work


class Float32IFNode(neuron.IFNode):
    """IF with a float32 membrane whatever the input's dtype, so that the fused op is used."""

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Spikes [T, B, ...] from rest."""
        v = torch.zeros_like(x_seq[0], dtype=torch.float32)
        spikes, self.v, _ = functional.if_multi_step(
            x_seq, v, self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset
        )
        return spikes


class Float32LIFNode(neuron.LIFNode):
    """LIF, likewise."""

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Spikes [T, B, ...] from rest."""
        v = torch.zeros_like(x_seq[0], dtype=torch.float32)
        spikes, self.v, _ = functional.lif_multi_step(
            x_seq,
            v,
            tau=self.tau,
            decay_input=self.decay_input,
            v_threshold=self.v_threshold,
            v_reset=self.v_reset,
            surrogate_function=self.surrogate_function,
            detach_reset=self.detach_reset,
        )
        return spikes


class Repeated(nn.Module):
    """The image is repeated over T and passes everything T times."""

    def __init__(self, net: Net, parts: Parts, steps: int) -> None:
        super().__init__()
        self.network, self.steps = build(net, parts), steps

    def forward(self, images: Tensor) -> Tensor:
        """Logits [T, B, K]."""
        x = images.unsqueeze(0).repeat(self.steps, 1, 1, 1, 1)
        logits: Tensor = self.network.body(self.network.stem(x))
        return logits


class Once(Repeated):
    """The image passes what comes before the first neurons once; their current is repeated over T."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits [T, B, K]."""
        current = self.network.stem(images.unsqueeze(0))
        logits: Tensor = self.network.body(current.expand(self.steps, *current.shape[1:]))
        return logits


def node_of(net: Net, float32: bool) -> Callable[[], nn.Module]:
    """IF; for the MLP, whose graded neuron SpikingJelly has not, LIF with the same decay of 0.9 and binary spikes."""
    if net.kind == "mlp":
        kind = Float32LIFNode if float32 else neuron.LIFNode
        return lambda: kind(tau=10.0, decay_input=False, step_mode="m")
    return lambda: (Float32IFNode if float32 else neuron.IFNode)(step_mode="m")


def parts(node: Callable[[], nn.Module]) -> Parts:
    """Multi-step layers."""

    def multi(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        return lambda *sizes, **options: make(*sizes, **options, step_mode="m")

    return Parts(
        conv=multi(layer.Conv2d),
        norm=multi(layer.BatchNorm2d),
        norm_flat=multi(layer.BatchNorm1d),
        linear=multi(layer.Linear),
        pool=multi(layer.MaxPool2d),
        node=node,
    )


def one_layer(task: Layer, node: nn.Module) -> nn.Module:
    """The node, with a norm before it where the task has it."""
    if not isinstance(task, NormNeuronLayer):
        return node
    return nn.Sequential(layer.BatchNorm2d(task.shape[0], step_mode="m"), node)


def side(spread: type[Repeated], bf16: bool, float32_membrane: bool, compiled: bool = False) -> Side:
    """One way to run SpikingJelly."""

    def network(task: NetworkTask) -> nn.Module:
        made = spread(task.net, parts(node_of(task.net, float32_membrane)), task.steps)
        return torch.compile(made) if compiled else made

    def one(task: Layer) -> nn.Module:
        made = one_layer(task, (Float32IFNode if float32_membrane else neuron.IFNode)(step_mode="m"))
        return torch.compile(made) if compiled else made

    return Side(network, one, bf16=bf16, channels_last=bf16, reset=functional.reset_net)


TUTORIAL = side(Repeated, bf16=False, float32_membrane=False)
AMP = side(Once, bf16=True, float32_membrane=False)
BEST = side(Once, bf16=True, float32_membrane=True)
COMPILED = side(Once, bf16=True, float32_membrane=True, compiled=True)


def tutorial(task: Task, device: torch.device) -> Work:
    """As its tutorials run it."""
    return work(task, TUTORIAL, device)


def amp(task: Task, device: torch.device) -> Work:
    """Plain autocast."""
    return work(task, AMP, device)


def best(task: Task, device: torch.device) -> Work:
    """At its best."""
    return work(task, BEST, device)


def compiled(task: Task, device: torch.device) -> Work:
    """At its best, through torch.compile, which is done before anything is measured."""
    made = work(task, COMPILED, device)
    made.step()
    return made


def taught(task: Distillation, device: torch.device) -> Work:
    """At its best, with our teacher and loss, since it has none."""
    return ours.taught(task, BEST, device)
