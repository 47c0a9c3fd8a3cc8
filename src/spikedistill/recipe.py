"""What a run is: frozen values that say everything about it.

A recipe is data, model, neuron, method, teacher, optimiser and numbers. `to_json` and `from_json` of
`spikedistill.values.plain` save and load it strictly; its digest names the run's folder.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

from spikedistill.data.dataset import Dataset
from spikedistill.errors import InputError
from spikedistill.machine.device import Precision
from spikedistill.methods import CrossEntropy
from spikedistill.methods.method import Method
from spikedistill.models import Model
from spikedistill.neurons import IF, BatchNorm, Neuron, Normalisation
from spikedistill.optim import SGD, Cosine, Optimizer, Schedule
from spikedistill.values.checks import check_at_least, check_count
from spikedistill.values.plain import digest


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """Base of all ways to name a teacher; `spikedistill.teachers` loads them."""

    abstract: ClassVar[bool] = True
    kinds_folder: ClassVar[str] = "teachers"

    cache: str = field(default="", metadata={"place": True})
    """Folder in which the teacher's logits are stored and found; none where empty. Says where: not in the hash."""
    views: int = 0
    """Augmented views of each image that are stored: epoch e shows view e mod `views`. 0 for one per epoch, which is
    exact; fewer are an approximation, and need a `cache`."""

    def __post_init__(self) -> None:
        check_count(self, "views", low=0, high=10**6)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result of a run."""

    data: Dataset
    """Images, labels and augmentation."""
    model: Model
    """Architecture."""
    epochs: int
    """Passes over the training set."""
    neuron: Neuron = IF()
    """Activation: a spiking neuron, or ReLU for an ANN."""
    norm: Normalisation = BatchNorm()
    """Norm of all layers that have one."""
    steps: int = 4
    """T, the number of time steps of a spiking network in training and in `accuracy`; an ANN has one."""
    method: Method = CrossEntropy()
    """Loss."""
    teacher: Teacher | None = None
    """Network to learn from, where the method needs one."""
    optimizer: Optimizer = SGD()
    schedule: Schedule = Cosine()
    batch_size: int = 128
    """The last incomplete batch of an epoch is left out; each epoch shuffles anew."""
    precision: Precision = "auto"
    """Autocast to bfloat16, or not; `auto` takes bf16 where the machine has instructions for it."""
    clip_norm: float = 0.0
    """Largest norm of the gradient of all parameters together; 0 for no clipping."""
    ema: float = 0.0
    """Decay per step of the moving average of the weights, which is then evaluated and kept; 0 for none."""
    seed: int = 0
    """Of the initial weights, the order of the images and their augmentation."""
    name: str = field(default="recipe", metadata={"label": True})
    """For people, and the beginning of the folder's name; not in the hash."""

    def __post_init__(self) -> None:
        check_count(self, "epochs", "batch_size", high=10**6)
        check_count(self, "steps", high=10**5)
        check_at_least(self, "clip_norm")
        if not 0 <= self.ema < 1:
            raise InputError(f"ema must be in [0, 1), not {self.ema}.")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"seed must be between 0 and 2^31 - 1, not {self.seed}.")
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise InputError(f"name must be letters, digits, '_', '-' and '.', not {self.name!r}: it names a folder.")

    @property
    def time_steps(self) -> int:
        """T of the network that this recipe trains; an ANN has one, but on frames it answers each."""
        return self.steps if self.neuron.spiking or self.data.steps else 1

    def view(self, epoch: int) -> int:
        """Return which augmentation of the training images an epoch shows."""
        views = self.teacher.views if self.teacher else 0
        return epoch % views if views else epoch

    @property
    def hash(self) -> str:
        """First digits of the digest, which end the name of the run's folder."""
        return digest(self)[:10]


def everywhere(recipe: Recipe, change: Callable[[Recipe], Recipe]) -> Recipe:
    """Return the recipe as `change` makes it, and so the recipes of its teacher, of that one's teacher, and so on."""

    def within(value: Any) -> Any:
        if isinstance(value, Recipe):
            return everywhere(value, change)
        if not isinstance(value, Teacher):
            return value
        return replace(value, **{f.name: within(getattr(value, f.name)) for f in fields(value)})

    changed = change(recipe)
    return replace(changed, teacher=within(changed.teacher))


@dataclass(frozen=True)
class FromRecipe(Teacher):
    """The network that another recipe trains. It is trained first if it has not been, once for all who name it."""

    recipe: Recipe


@dataclass(frozen=True)
class FromRun(Teacher):
    """The network of a finished run's folder."""

    folder: str = field(metadata={"place": True})
    """The run's folder. Says where, not what: not in the hash."""
    weights_digest: str = ""
    """SHA-256 of its weights; filled in when the run starts, and checked from then on."""


@dataclass(frozen=True)
class FromModule(Teacher):
    """Any `torch.nn.Module` that an importable callable returns.

    It gets normalised images [B, C, H, W] and answers with logits [B, K], or [T, B, K].
    """

    target: str
    """`package.module:callable`; called without arguments."""
    mean: tuple[float, ...] | None = None
    """Per channel, of images in [0, 1], that it was trained with; the data set's own where None."""
    std: tuple[float, ...] | None = None
    """Likewise."""
    weights_digest: str = ""
    """SHA-256 of its weights; filled in when the run starts, and checked from then on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not std > 0 for std in self.std or ()):
            raise InputError(f"A teacher's std must be above 0, not {self.std}.")
