"""The data pipeline: our batches of random images as large as CIFAR's, with crop and flip, with and without a model."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.ours import BF16
from benchmarks.tasks import Pipeline
from benchmarks.work import TrainStep, Work, train_step
from spikedistill.data.batches import Batches
from spikedistill.data.dataset import Augment, Dataset
from spikedistill.data.normalise import normalise
from spikedistill.data.split import TensorSplit


@dataclass(frozen=True)
class RandomImages(Dataset):
    """Says how the images are augmented and normalised; the split is made by `ready`."""

    name: ClassVar[str] = "random-images"
    classes: ClassVar[int] = 10
    train_counts: ClassVar[tuple[int, ...]] = ()
    test_counts: ClassVar[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        """Nothing is published that sizes could be checked against."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """CIFAR-10's."""
        return (3, 32, 32)

    @property
    def mean(self) -> tuple[float, ...]:
        """CIFAR-10's, rounded."""
        return (0.49, 0.48, 0.45)

    @property
    def std(self) -> tuple[float, ...]:
        """CIFAR-10's, rounded."""
        return (0.25, 0.24, 0.26)


def ready(task: Pipeline, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless normalised images and labels."""
    torch.manual_seed(0)
    images = torch.randint(256, (task.images, *task.net.shape), dtype=torch.uint8, device=device)
    labels = torch.randint(10, (task.images,), device=device)
    data = RandomImages(augment=Augment(crop=4, flip=True))
    batches = Batches(data.augmented(TensorSplit(images, labels), seed=0), task.batch, seed=0)
    for epoch in count():
        for batch in batches.epoch(epoch):
            yield normalise(batch.images, data.mean, data.std), batch.labels


def training(task: Pipeline, device: torch.device) -> TrainStep:
    """The training step in bf16."""
    return train_step(BF16.place(BF16.network(task), device), BF16, device)


def both(task: Pipeline, device: torch.device) -> Work:
    """A new batch and a training step on it."""
    train, batches = training(task, device), ready(task, device)
    return Work(lambda: train(*next(batches)))


def model(task: Pipeline, device: torch.device) -> Work:
    """A training step on the same batch again and again."""
    train, (images, labels) = training(task, device), next(ready(task, device))
    return Work(lambda: train(images, labels))


def batches(task: Pipeline, device: torch.device) -> Work:
    """A new batch."""
    source = ready(task, device)
    return Work(lambda: next(source))
