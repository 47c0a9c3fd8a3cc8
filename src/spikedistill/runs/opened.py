"""A finished run, opened to be measured: its network, the images it is asked about, its teacher.

opened = open_to_measure(run, steps=8, images=1000)
opened.logits           # of all images of the split: what several measures need is computed once
opened.teacher          # a teacher that is gone since raises InputError when it is asked for
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from spikedistill.data.batches import Batches
from spikedistill.data.dataset import MOST, Dataset
from spikedistill.data.normalise import normalise
from spikedistill.data.split import Batch, Split, Splits
from spikedistill.errors import InputError, nearest, shown
from spikedistill.evaluate import norms
from spikedistill.evaluate.accuracy import AT_A_TIME
from spikedistill.evaluate.activity import Activity, observe
from spikedistill.kernels import FrozenWeights
from spikedistill.machine.allocator import keep_freed_memory
from spikedistill.machine.device import autocast, channels_last, pick_device
from spikedistill.machine.progress import Reporter
from spikedistill.models import Network
from spikedistill.recipe import MOST_STEPS
from spikedistill.runs.folder import Run
from spikedistill.runs.teachers import load_again
from spikedistill.runs.train import contexts
from spikedistill.teachers.loaded import LoadedTeacher
from spikedistill.training.norms import batches_of

COUNTED = 1000
"""Images on which spikes are counted unless more are asked for: a firing rate of 10 % is then known to 0.01 points."""
COUNTED_AT_A_TIME = 50
SPLITS = ("test", "validation", "train")


@dataclass(frozen=True, eq=False)
class Opened:
    """See the module."""

    run: Run
    network: Network
    """On the device, in eval mode."""
    data: Dataset
    splits: Splits
    steps: int
    """T of its logits."""
    split: str
    weights: str
    place: torch.device
    asked: int | None
    """How many images were asked for; each measure has a number of its own where that is None."""
    reestimated: int = 0
    """Training images on which the norms' statistics were estimated anew at this T; 0 for those of the run."""
    index: int = 0
    """Of the image that is shown by itself."""
    layer: str | None = None
    """Whose activations were asked for; what the classifier reads where that is None."""

    @cached_property
    def part(self) -> Split:
        """All images of the split, on the device."""
        part: Split = getattr(self.splits, self.split)
        return part.to(self.place)

    def some(self, default: int) -> Int[Tensor, " N"]:
        """Return which images of the split are measured, evenly spaced: as many as were asked for, or `default`."""
        number = min(default if self.asked is None else self.asked, len(self.part))
        return torch.arange(number, device=self.part.labels.device) * len(self.part) // number

    def batches(self, index: Int[Tensor, " N"], at_a_time: int = AT_A_TIME) -> Iterator[Batch]:
        """Yield images of the split as they are stored, with their labels."""
        for some in index.split(at_a_time):
            yield Batch(some, 0, self.part.take(some), self.part.labels[some])

    def normalised(self, images: Tensor) -> Tensor:
        """Return images [B, C, H, W] or frames [T, B, C, H, W] as the network takes them."""
        return normalise(images, self.data.mean, self.data.std)

    @torch.no_grad()
    def answers(self, images: Tensor, steps: int | None = None) -> Float[Tensor, "T B K"]:
        """Return the network's logits of stored images, float32, in the run's precision; at another T if one is given.

        Of frames a smaller T are the first ones.
        """
        return self.answers_with_gradients(images, steps)

    def answers_with_gradients(self, images: Tensor, steps: int | None = None) -> Float[Tensor, "T B K"]:
        """Return the same; images may be floats from 0 to 255, and gradients go back to them."""
        steps = steps or self.steps
        x = self.normalised(images if self.data.steps is None else images[:, :steps])
        with autocast(x.device, self.run.recipe.precision):
            logits: Tensor = self.network(x, steps)
        return logits.float()

    @cached_property
    def logits(self) -> Float[Tensor, "T N K"]:
        """Those of all images of the split, in order, on the CPU.

        Raises:
            InputError: some are not finite.
        """
        with FrozenWeights():
            parts = [self.answers(batch.images).cpu() for batch in self.part.in_order(AT_A_TIME)]
        logits = torch.cat(parts, dim=1)
        if not logits.isfinite().all():
            raise InputError(
                f"The network of {self.run.folder} does not answer with finite logits at T = {self.steps}: there is "
                "nothing to measure. Ask it at another T, or train it again."
            )
        return logits

    @cached_property
    def labels(self) -> Int[Tensor, " N"]:
        """Classes of all images of the split, on the CPU."""
        return self.part.labels.cpu()

    @cached_property
    def activity(self) -> Activity:
        """What passes through the network's layers at T, on some of the images."""
        return self.observe(self.steps)

    def observe(self, steps: int) -> Activity:
        """Return what passes through the network's layers in so many steps; of frames in the first."""
        name = f"The network of {self.run.folder}"
        return self.counted(self.network, steps, name, self.data.mean, self.data.std)

    def counted(
        self, network: nn.Module, steps: int | None, name: str, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> Activity:
        """Return what passes through the layers of a network that is asked about these images, the teacher's, say.

        Computed in fp32, whatever the run's precision: spikes are told from other numbers by their values.

        Raises:
            InputError: the network does something that cannot be counted.
        """
        events = self.data.steps is not None and not any(mean) and all(abs(255 * one - 1) < 1e-6 for one in std)
        stored = (batch.images for batch in self.batches(self.some(COUNTED), COUNTED_AT_A_TIME))
        frames = (images if self.data.steps is None else images[:, :steps] for images in stored)
        batches = (normalise(images, mean, std) for images in frames)
        return observe(network, batches, steps, 1.0 if events else "dense", name)

    @cached_property
    def teacher(self) -> LoadedTeacher:
        """The teacher that the run learned from, ready to be asked; it is not trained again.

        Raises:
            InputError: the run has none, or it is gone or says something else since.
        """
        if self.run.recipe.teacher is None:
            raise InputError(f"The run {self.run.folder} had no teacher.")
        recipe = replace(self.run.recipe, data=self.data)
        context = contexts(self.run.folder.parent, self.place, Reporter())(recipe)
        return load_again(self.run, context)

    @property
    def about(self) -> dict[str, object]:
        """What an evaluation says of what was asked: T, split, weights, data."""
        data = {"name": self.data.name, "samples": len(self.part)}
        anew = {"reestimated": self.reestimated} if self.reestimated else {}
        return {"steps": self.steps, "split": self.split, "weights": self.weights, "data": data} | anew


Measure = Callable[[Opened], dict[str, object]]
"""What measures a run: plain data, as docs/evaluation.md names it."""


def open_to_measure(
    run: Run,
    steps: int | None = None,
    split: str = "test",
    root: str | None = None,
    device: str = "auto",
    weights: str = "last",
    images: int | None = None,
    reestimate: int = 0,
    index: int = 0,
    layer: str | None = None,
) -> Opened:
    """Open a finished run.

    Args:
        run: A finished run.
        steps: T, which may differ from the one it was trained with; the recipe's own if None.
        split: `test`, `validation` or `train` (without augmentation).
        root: Folder of the data's files; the recipe's own if None.
        device: `auto`, `cpu`, `cuda`, ...
        weights: `last`, or `best` on the validation split.
        images: On how many images what takes long is measured; a number of each measure's own if None.
        reestimate: Training images, augmented, on which the norms' statistics are estimated anew at this T; 0 for those
            of the run.
        index: Of the image in the split that is shown by itself, from 0.
        layer: Whose activations are looked at, by its dotted path; what the classifier reads if None.

    Raises:
        InputError: `steps`, `images` or `reestimate` is no number of them, the run is not finished, its files are
            damaged, or it has no such split or weights.
    """
    check_steps(steps)
    if images is not None and images < 1:
        raise InputError(f"images must be a number of images, 1 or more, not {shown(images)}.")
    if not 0 <= reestimate <= MOST:
        raise InputError(f"reestimate must be a number of training images, 0 to {MOST}, not {shown(reestimate)}.")
    if split not in SPLITS:
        raise InputError(f"Unknown split {split!r}.{nearest(split, SPLITS)} Allowed: {', '.join(SPLITS)}.")
    keep_freed_memory()
    place = pick_device(device)
    recipe = run.recipe
    if steps is not None and recipe.data.steps not in (None, steps):
        raise InputError(
            f"steps is {steps}, and the data of {run.folder} are frames of {recipe.data.steps} steps. Leave steps out."
        )
    network = channels_last(run.network(weights), place)
    data = recipe.data if root is None else replace(recipe.data, root=root)
    splits = data.load()
    if getattr(splits, split) is None:
        raise InputError(f"The run {run.folder} holds out no validation split. Allowed: test, train.")
    asked = replace(recipe, steps=steps or recipe.steps).time_steps
    opened = Opened(run, network, data, splits, asked, split, weights, place, images, reestimate, index, layer)
    if reestimate:
        augmented = data.augmented(splits.train.to(place), recipe.view_seed)
        batches = Batches(augmented, recipe.batch_size, recipe.seed)
        some = batches_of(recipe, batches, reestimate, recipe.epochs - 1)
        norms.reestimate(network, some, data, asked, recipe.precision)
    return opened


def check_steps(steps: int | None) -> None:
    """Raise InputError where a number of time steps is none, or absurd."""
    if steps is not None and not 1 <= steps <= MOST_STEPS:
        bound = "1 or more" if steps < 1 else f"at most {MOST_STEPS}"
        raise InputError(f"steps must be {bound}, not {shown(steps)}.")
