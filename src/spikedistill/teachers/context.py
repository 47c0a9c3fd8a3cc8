"""What a teacher needs in order to be loaded: of the student, and of the rooms above, whose functions are here."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from spikedistill.data.dataset import Dataset
from spikedistill.machine.device import Precision
from spikedistill.recipe import Recipe
from spikedistill.values import targets


@dataclass(frozen=True)
class Trained:
    """A network, and the recipe that it was built and trained by."""

    recipe: Recipe
    network: nn.Module


@dataclass(frozen=True)
class Context:
    """Handed down by `spikedistill.runs` to `Teacher.resolve` and `Teacher.load`.

    Before anything is trained, `train` may hand out networks that are not: so a teacher is rehearsed.
    """

    data: Dataset
    """The student's data set: what it is asked about, and how many classes it must know."""
    device: torch.device
    precision: Precision
    """That the student is trained in."""
    taps: tuple[str, ...]
    """Activations of the teacher that the method reads."""
    train: Callable[[Recipe], Trained]
    """Return the network that a recipe trains; it is trained first if it has not been."""
    open: Callable[[str], Trained]
    """Return the network of a finished run's folder, with its recipe. Raises InputError where there is none."""
    resolve: Callable[[Recipe], Recipe]
    """Return a teacher's recipe with everything said that depends on files and on the machine."""
    made: dict[str, object] = field(default_factory=dict)
    """What user code has made in this run, by its name: it is called once."""

    def make(self, target: str) -> object:
        """Return what `package.module:callable` makes. Raises InputError and UserCodeError; see `values.targets`."""
        if target not in self.made:
            self.made[target] = targets.make(target, "Teacher")
        return self.made[target]
