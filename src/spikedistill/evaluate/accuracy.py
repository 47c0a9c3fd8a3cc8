"""Accuracy at every time step: each step's logits alone, and the mean of all logits up to it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from spikedistill.data.dataset import Dataset
from spikedistill.data.normalise import normalise
from spikedistill.data.split import Split
from spikedistill.kernels import FrozenWeights
from spikedistill.machine.device import Precision, autocast

AT_A_TIME = 500
"""Images in memory."""


@dataclass(frozen=True)
class Accuracy:
    """Shares of images that are classified right, by time step."""

    by_step: tuple[float, ...]
    """From the logits of step t alone."""
    cumulative: tuple[float, ...]
    """From the mean of the logits of steps 1 to t, as a run of t steps gives; the last is the accuracy at T."""
    top5: float | None = None
    """Share of images whose class is among the five most probable at T; None where there are at most ten classes."""

    @property
    def final(self) -> float:
        """Accuracy at T."""
        return self.cumulative[-1]


def accuracy_of_logits(logits: Float[Tensor, "T N K"], labels: Int[Tensor, " N"]) -> Accuracy:
    """Return the accuracies of a network whose logits of all images are known."""
    return _shares(zip(logits.split(AT_A_TIME, dim=1), labels.split(AT_A_TIME), strict=True))


def mean_logits(logits: Float[Tensor, "T N K"]) -> Float[Tensor, "N K"]:
    """Return the means over time, whose largest is the answer that `Accuracy.final` counts; float64."""
    parts = [part.cumsum(0)[-1] for part in logits.split(AT_A_TIME, dim=1)]
    return torch.cat(parts).double() / len(logits)


@torch.no_grad()
def accuracy(
    network: nn.Module,
    split: Split,
    data: Dataset,
    steps: int,
    precision: Precision = "fp32",
    batch_size: int = AT_A_TIME,
) -> Accuracy:
    """Evaluate a network on a split, in eval mode; the network is left in the mode it was in.

    Args:
        network: From images [B, C, H, W] (or frames [T, B, C, H, W]) and `steps` to logits [T, B, K].
        split: On the network's device.
        data: Whose mean and deviation the network was trained with.
        steps: T, whatever the network was trained with.
        precision: Of convolutions and linear layers, `fp32` or `bf16`.
        batch_size: Images at a time.
    """

    def answers() -> Iterator[tuple[Tensor, Tensor]]:
        for batch in split.in_order(batch_size):
            x = normalise(batch.images, data.mean, data.std)
            with autocast(x.device, precision):
                logits = network(x, steps)
            yield logits.float(), batch.labels

    was_training = network.training
    network.eval()
    with FrozenWeights():
        found = _shares(answers())
    network.train(was_training)
    return found


def _shares(answers: Iterable[tuple[Tensor, Tensor]]) -> Accuracy:
    """Return the accuracies of all batches together, each of logits [T, B, K] and labels [B]."""
    alone: Tensor | int = 0
    together: Tensor | int = 0
    in_five: Tensor | int = 0
    count = classes = 0
    for logits, labels in answers:
        count, classes = count + len(labels), logits.shape[-1]
        alone = alone + (logits.argmax(-1) == labels).sum(1)
        if classes > 10:
            in_five = in_five + (logits.sum(0).topk(5).indices == labels[:, None]).any(1).sum()
        together = together + (logits.cumsum(0).argmax(-1) == labels).sum(1)
    assert isinstance(alone, Tensor)
    assert isinstance(together, Tensor)
    return Accuracy(
        tuple(right / count for right in alone.tolist()),
        tuple(right / count for right in together.tolist()),
        int(in_five) / count if classes > 10 else None,
    )
