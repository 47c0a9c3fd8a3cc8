"""This library's side of every task."""

import torch
from torch import Tensor, nn

from benchmarks.tasks import Distillation, Layer, Net, NetworkTask, NormNeuronLayer, Task
from benchmarks.work import Loss, Side, Work, label_loss, training_with, work
from spikedistill import kernels
from spikedistill.kernels import FrozenWeights
from spikedistill.kernels.choice import implementation
from spikedistill.methods import VanillaKD
from spikedistill.methods.method import Signals
from spikedistill.models import Network, models
from spikedistill.neurons import IF, Backward, GradedReLU, Neuron, Norm, ReLU, backward_pass

SHAPES_ONLY = GradedReLU()
"""For networks on the meta device: has time, and no kernels are asked for after it, which know no such device."""


class Held(nn.Module):
    """A network whose images are held for T steps, and which goes back through time or on rates."""

    def __init__(self, network: nn.Module, steps: int, backward: Backward = "time") -> None:
        super().__init__()
        self.network, self.steps, self.backward = network, steps, backward

    def forward(self, images: Tensor) -> Tensor:
        """Logits [T, B, K]."""
        with backward_pass(self.backward):
            logits: Tensor = self.network(images, self.steps)
        return logits


class NeuronsAlone(nn.Module):
    """A layer of IF neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.act = IF().build()

    def forward(self, currents: Tensor) -> Tensor:
        """Spikes [T, B, C, H, W]."""
        return kernels.activate(currents, self.act)


class NormAndNeurons(nn.Module):
    """Batch norm and a layer of IF neurons."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.act = Norm(channels), IF().build()

    def forward(self, currents: Tensor) -> Tensor:
        """Spikes [T, B, C, H, W]."""
        return kernels.norm_act(currents, self.norm, self.act)


def neuron(net: Net) -> Neuron:
    """Distilling Spikes' graded neuron for the MLP, IF for all else."""
    return GradedReLU() if net.kind == "mlp" else IF()


def build(net: Net, act: Neuron) -> Network:
    """Our network of that description."""
    return models()[net.kind](**net.options).build(net.shape, net.classes, act)


def network(task: NetworkTask, backward: Backward = "time") -> nn.Module:
    """The spiking network; the kernels are built or loaded here, before anything is measured."""
    implementation("cpu")
    return Held(build(task.net, neuron(task.net)), task.steps, backward)


def layer(task: Layer) -> nn.Module:
    """The neurons, with the norm where the task has it."""
    implementation("cpu")
    return NormAndNeurons(task.shape[0]) if isinstance(task, NormNeuronLayer) else NeuronsAlone()


def neuron_steps(task: Task) -> int:
    """Number of neurons times T times B in one step of the task, counted on a network without memory of its own."""
    if isinstance(task, Layer):
        return task.items
    if not isinstance(task, NetworkTask):
        return 0
    per_image = 0

    def count(module: nn.Module, inputs: object, output: Tensor) -> None:  # noqa: ARG001
        nonlocal per_image
        per_image += output.numel()

    with torch.device("meta"), torch.no_grad():
        counted = build(task.net, SHAPES_ONLY).eval()
        for module in counted.modules():
            if hasattr(module, "act") and hasattr(module, "norm"):
                module.register_forward_hook(count)
        counted(torch.empty(1, *task.net.shape), 1)
    return per_image * task.steps * task.batch


BF16 = Side(network, layer, bf16=True, channels_last=True, constant=FrozenWeights)
FP32 = Side(network, layer, bf16=False, channels_last=True, constant=FrozenWeights)
RATE = Side(lambda task: network(task, "rate"), layer, bf16=True, channels_last=True)
COMPILED = Side(lambda task: torch.compile(network(task)), layer, bf16=True, channels_last=True)


def bf16(task: Task, device: torch.device) -> Work:
    """bf16 autocast; a task with a teacher does without it."""
    return alone(task, BF16, device)


def fp32(task: Task, device: torch.device) -> Work:
    """Float32, likewise."""
    return alone(task, FP32, device)


def bf16_rate(task: Task, device: torch.device) -> Work:
    """bf16 autocast, backward on rates averaged over time."""
    return alone(task, RATE, device)


def bf16_compiled(task: Task, device: torch.device) -> Work:
    """The network through torch.compile."""
    return alone(task, COMPILED, device)


def bf16_taught(task: Distillation, device: torch.device) -> Work:
    """The teacher is asked in every step."""
    return taught(task, BF16, device)


def fp32_taught(task: Distillation, device: torch.device) -> Work:
    """The teacher is asked in every step."""
    return taught(task, FP32, device)


def bf16_stored(task: Distillation, device: torch.device) -> Work:
    """The teacher's logits are read from a tensor."""
    return stored(task, BF16, device)


def fp32_stored(task: Distillation, device: torch.device) -> Work:
    """The teacher's logits are read from a tensor."""
    return stored(task, FP32, device)


def alone(task: Task, side: Side, device: torch.device) -> Work:
    """The side's work; of a task with a teacher, the training from labels."""
    if isinstance(task, Distillation):
        return training_with(task, side, device, lambda _: label_loss)
    return work(task, side, device)


def taught(task: Distillation, side: Side, device: torch.device) -> Work:
    """Distillation with a frozen ANN in eval mode, in the side's number format."""
    teacher = BF16.place(build(task.teacher, ReLU()), device).eval().requires_grad_(False)

    constant = side.constant()

    def loss_on(images: Tensor) -> Loss:
        with torch.no_grad(), side.autocast(device), constant:
            return _distil(teacher(images).float())

    return training_with(task, side, device, loss_on)


def stored(task: Distillation, side: Side, device: torch.device) -> Work:
    """Distillation from 50,000 stored fp16 logits [N, 1, K], of which each step gathers its own."""
    logits = torch.randn(50_000, 1, task.net.classes, device=device).half()
    index = torch.randperm(len(logits), device=device)[: task.batch]

    def loss_on(images: Tensor) -> Loss:  # noqa: ARG001
        return _distil(logits[index].transpose(0, 1).float())

    return training_with(task, side, device, loss_on)


def _distil(teacher: Tensor) -> Loss:
    method = VanillaKD()

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return method.total(method.losses(Signals(logits, {}), Signals(teacher, {}), labels))

    return loss
