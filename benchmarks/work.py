"""The work itself, the same for all contenders: a task and what a contender brings make the closures to be measured."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.tasks import Inference, Layer, NetworkTask, Task, Training
from spikedistill.optim import SGD


@dataclass(frozen=True)
class Work:
    """What is measured."""

    step: Callable[[], Any]
    """All of the work, once."""
    forward: Callable[[], Tensor] | None = None
    """Forward pass up to the tensor whose backward pass `step` does; None where there is no backward pass."""
    resident: tuple[Tensor, ...] = ()
    """Weights, images and labels: kept for the backward pass at no cost, since they are there anyway."""


@dataclass(frozen=True)
class Side:
    """What a contender brings to a task."""

    network: Callable[[NetworkTask], nn.Module]
    """A module from images [B, C, H, W] to logits [T, B, K]."""
    layer: Callable[[Layer], nn.Module]
    """A module from currents [T, B, C, H, W] to spikes of that shape."""
    bf16: bool
    channels_last: bool
    reset: Callable[[nn.Module], object] = field(default=lambda _: None)
    """Called after each pass."""
    constant: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Context of passes between which weights do not change."""

    def autocast(self, device: torch.device) -> AbstractContextManager[None]:
        """Context of forward passes."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bf16)

    def place(self, module: nn.Module, device: torch.device) -> nn.Module:
        """The module on its device, in its memory format."""
        module = module.to(device)
        return module.to(memory_format=torch.channels_last) if self.channels_last else module

    def images(self, task: NetworkTask, device: torch.device) -> Tensor:
        """Normal images [B, C, H, W] in the memory format."""
        x = torch.randn(task.batch, *task.net.shape, device=device)
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x


Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits [T, B, K] and labels [B]."""


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the mean of the logits over time."""
    return F.cross_entropy(logits.mean(0), labels)


@singledispatch
def work(task: Task, side: Side, device: torch.device) -> Work:  # noqa: ARG001
    """The work of one contender.

    Raises:
        TypeError: this kind of task needs a builder of its own.
    """
    raise TypeError(f"{type(task).__name__} has no common work.")


@work.register
def training(task: Training, side: Side, device: torch.device) -> Work:
    """Forward, loss, backward, optimiser."""
    return training_with(task, side, device, lambda _: label_loss)


def training_with(task: NetworkTask, side: Side, device: torch.device, loss_on: Callable[[Tensor], Loss]) -> Work:
    """A training step; `loss_on(images)` makes the loss of this step, in which a teacher may look at the images."""
    torch.manual_seed(0)
    network = side.place(side.network(task), device)
    images = side.images(task, device)
    labels = torch.randint(task.net.classes, (task.batch,), device=device)
    train = train_step(network, side, device, loss_on)

    def forward() -> Tensor:
        value = train.loss(images, labels)
        side.reset(network)
        return value

    resident = (images, labels, *network.parameters(), *network.buffers())
    return Work(lambda: train(images, labels), forward, resident)


@dataclass(frozen=True)
class TrainStep:
    """A network, its optimiser and its loss; called with images and labels."""

    network: nn.Module
    side: Side
    device: torch.device
    loss_on: Callable[[Tensor], Loss]
    optimizer: torch.optim.Optimizer

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Forward pass and loss."""
        judge = self.loss_on(images)
        with self.side.autocast(self.device):
            logits = self.network(images)
        return judge(logits.float(), labels)

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """One step."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(images, labels).backward()
        self.optimizer.step()
        self.side.reset(self.network)


def train_step(
    network: nn.Module, side: Side, device: torch.device, loss_on: Callable[[Tensor], Loss] = lambda _: label_loss
) -> TrainStep:
    """SGD with momentum and weight decay for everybody: this library's, the faster one in channels_last order."""
    optimizer = SGD(0.01, momentum=0.9, weight_decay=5e-4).build([network])
    return TrainStep(network.train(), side, device, loss_on, optimizer)


@work.register
def inference(task: Inference, side: Side, device: torch.device) -> Work:
    """Mean of the logits over time."""
    torch.manual_seed(0)
    network = side.place(side.network(task), device).eval()
    images = side.images(task, device)
    constant = side.constant()

    @torch.no_grad()
    def step() -> None:
        with side.autocast(device), constant:
            network(images).float().mean(0)
        side.reset(network)

    return Work(step)


@work.register
def layer(task: Layer, side: Side, device: torch.device) -> Work:
    """Spikes of random currents, and the gradient of the currents (and of the norm).

    The currents are not resident: in a network they are a convolution's output, gone unless the layer keeps them.
    """
    torch.manual_seed(0)
    module = side.layer(task).to(device).train()
    dtype = torch.bfloat16 if side.bf16 else torch.float32

    def random() -> Tensor:
        x = torch.randn(task.steps * task.batch, *task.shape, device=device).to(dtype)
        x = x.contiguous(memory_format=torch.channels_last) if side.channels_last else x
        return x.view(task.steps, task.batch, *task.shape)

    currents, grad = random().requires_grad_(), random()

    def forward() -> Tensor:
        spikes: Tensor = module(currents)
        side.reset(module)
        return spikes

    def step() -> None:
        currents.grad = None
        module.zero_grad(set_to_none=True)
        forward().backward(grad)

    return Work(step, forward, (grad, *module.parameters(), *module.buffers()))
