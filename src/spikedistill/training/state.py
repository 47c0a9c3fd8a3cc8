"""Everything that changes while a network trains, so that it can be saved and brought back bit for bit."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from spikedistill.methods.method import Losses, MethodModule
from spikedistill.models import Network
from spikedistill.recipe import Recipe
from spikedistill.training.step import Step


@dataclass
class TrainingState:
    """Modules, optimiser and counters of one training."""

    trained: Step
    """Student and method."""
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None
    """Moving average of the student's weights and norm statistics, if the recipe asks for one."""
    epoch: int = 0
    """Epochs that are done."""
    step: int = 0
    """Steps of the current epoch that are done."""
    images: int = 0
    """Images of the current epoch that are seen."""
    sums: dict[str, Tensor] = field(default_factory=dict)
    """Over the steps of the current epoch: each raw loss term by its name."""
    counts: dict[str, int] = field(default_factory=dict)
    """Steps of the current epoch that had the term."""
    right: Tensor | int = 0
    """Images of the current epoch that were classified right when they were trained on."""
    seconds: float = 0.0
    """Training time of all epochs, over all sessions, evaluation left out."""
    epoch_seconds: float = 0.0
    """Training time of the current epoch."""
    records: list[dict[str, Any]] = field(default_factory=list)
    """One per finished epoch, as the log has them."""

    @property
    def student(self) -> Network:
        """The network that trains."""
        return self.trained.student

    @property
    def method(self) -> MethodModule:
        """The method, with the trained parts that it may have."""
        return self.trained.method

    def count(self, losses: Losses, right: Tensor, images: int) -> None:
        """Add a step: its loss terms, its images, and how many of them it got right."""
        for name, value in losses.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1
        self.right = self.right + right
        self.images += images
        self.step += 1

    def end_epoch(self) -> None:
        """Stand at the start of the next epoch."""
        self.seconds += self.epoch_seconds
        self.epoch += 1
        self.sums, self.counts, self.right = {}, {}, 0
        self.step, self.images, self.epoch_seconds = 0, 0, 0.0

    @property
    def evaluated(self) -> nn.Module:
        """The network whose accuracy counts and whose weights are kept."""
        return self.student if self.average is None else self.average.module

    def to_save(self) -> dict[str, Any]:
        """Return the whole state as nested plain values and tensors."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {
            "student": self.student.state_dict(),
            "method": self.method.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
            "epoch": self.epoch,
            "step": self.step,
            "images": self.images,
            "sums": self.sums,
            "counts": self.counts,
            "right": self.right,
            "seconds": self.seconds,
            "epoch_seconds": self.epoch_seconds,
            "records": [{"json": record} for record in self.records],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over a state that `to_save` returned, for a state built from the same recipe."""
        self.student.load_state_dict(saved["student"])
        self.method.load_state_dict(saved["method"])
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self._align_optimizer()
        torch.set_rng_state(saved["random"]["cpu"])
        if saved["random"]["cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(saved["random"]["cuda"])
        device = next(self.student.parameters()).device
        self.epoch, self.step, self.images = saved["epoch"], saved["step"], saved["images"]
        self.sums = {name: value.to(device) for name, value in saved["sums"].items()}
        self.counts, self.right = saved["counts"], saved["right"]
        if isinstance(self.right, Tensor):
            self.right = self.right.to(device)
        self.seconds, self.epoch_seconds = saved["seconds"], saved["epoch_seconds"]
        self.records = [record["json"] for record in saved["records"]]

    def _align_optimizer(self) -> None:
        """Give the optimiser's moments their parameters' memory layout, which fused optimisers walk in step."""
        for parameter, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def moving_average(student: Network, recipe: Recipe) -> AveragedModel | None:
    """Return the average that the recipe asks for, starting at the student's weights and norm statistics."""
    if not recipe.ema:
        return None
    average = AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)
    average.n_averaged.fill_(1)  # at 0 the first update would copy the weights after the first step
    return average
