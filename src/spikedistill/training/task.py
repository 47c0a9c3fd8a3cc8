"""What a training works with; nothing of it changes while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from spikedistill.data.batches import Batches
from spikedistill.data.split import Splits
from spikedistill.models import Network
from spikedistill.recipe import Recipe
from spikedistill.starts.before import Before
from spikedistill.teachers.loaded import LoadedTeacher
from spikedistill.training.plan import Plan
from spikedistill.training.state import TrainingState

BEST_WEIGHTS = "weights-best.safetensors"


@dataclass(frozen=True)
class Task:
    """Recipe, data and teacher, and where things are kept."""

    recipe: Recipe
    splits: Splits
    teacher: LoadedTeacher | None
    device: torch.device
    folder: Path
    """The checkpoint is kept here."""
    on_epoch: Callable[[TrainingState], None]
    """Called when an epoch is evaluated and before it is saved."""
    starts: tuple[Callable[[Network, Before], None], ...] = ()
    """What is done to the student before its first step, in this order."""

    @property
    def batches(self) -> Batches:
        """Of the training images: the order follows the recipe's seed, the augmentation its `view_seed`."""
        recipe = self.recipe
        shown = recipe.data.augmented(self.splits.train, recipe.view_seed)
        return Batches(shown, recipe.batch_size, recipe.seed)

    @cached_property
    def plan(self) -> Plan:
        """Where epochs and phases begin and end."""
        return Plan(self.recipe, len(self.splits.train))

    @property
    def checkpoint(self) -> Path:
        """Where the state is saved."""
        return self.folder / "checkpoint.safetensors"

    @property
    def best_weights(self) -> Path:
        """Where the weights are kept that were best on the validation split, if there is one."""
        return self.folder / BEST_WEIGHTS
