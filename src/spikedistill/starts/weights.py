"""Start from the weights of another network of the same architecture: an ANN twin's, a run's, a module's.

Parameters and buffers are copied by name, those of norms too. A student that starts where its ANN twin ended, and is
taught by it, needs few epochs: of a WRN16-2 on CIFAR-10 (twin: five epochs, 83.3 %), one epoch at T = 4 gave 79.6 %
and random weights 51.0 % (one seed, a first look). Published under many names: hybrid training (Rathi et al., ICLR
2020, arXiv 2005.01807), and the fine-tuning of converted networks.

What the neurons are is the student's own affair: thresholds, and the potential before the first step (`v_init` of IF,
LIF and PLIF; half a threshold is usual in conversion), are fields of its neuron. `Calibrated` fits scales to them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.models.model import Network
from spikedistill.models.module import ModuleNetwork
from spikedistill.neurons import Activation
from spikedistill.recipe import Start, Teacher
from spikedistill.starts.before import Before
from spikedistill.teachers.context import Context

COUNTER = "num_batches_tracked"
"""A counter of torch's norms, which decides nothing."""
MOST_NAMES = 8
"""That a message lists of one sort."""


@dataclass(frozen=True)
class Weights(Start):
    """The weights of a network that a recipe trains, of a finished run, or of a module of one's own."""

    source: Teacher
    """What names the network: a recipe, which is trained first if it has not been, a run or a module."""

    def load(self, context: Context) -> "Loaded":
        """See `Part.load`.

        Raises:
            InputError: the network is not there, or it is not one.
        """
        teacher = self.source.load(replace(context, taps=()))
        if teacher.network is None:
            raise InputError(
                f"A {type(self.source).__name__} has no network of its own whose weights could be copied. Start from "
                "a recipe, a run or a module."
            )
        return Loaded(teacher.network)


@dataclass(frozen=True)
class Loaded:
    """Copies a network's weights."""

    source: nn.Module

    def __call__(self, student: nn.Module, before: Before) -> None:  # noqa: ARG002
        """Start the student there. Raises what `copy_weights` raises."""
        copy_weights(student, self.source)


@torch.no_grad()
def copy_weights(student: nn.Module, source: nn.Module) -> None:
    """Copy all parameters and buffers by name; both networks must have the same, of the same shapes.

    Scalars that neurons learn (the w of PLIF) may be missing: they stay as the student's neurons begin. A module of the
    user's is compared with the module that the model `module` has made, or with the names that a student has for it
    (`own_state_dict`, `load_own_state_dict`).

    Raises:
        InputError: lists the names that only one of both has, and the shapes that differ.
    """
    foreign = not isinstance(source, Network)
    target: Any = student.module if isinstance(student, ModuleNetwork) and foreign else student
    named = hasattr(target, "load_own_state_dict") and foreign
    ours, theirs = _tensors(target.own_state_dict() if named else target.state_dict()), _tensors(source.state_dict())
    free = _of_neurons(target) | _of_neurons(source)
    missing = [name for name in ours if name not in theirs and name not in free]
    surplus = [name for name in theirs if name not in ours and name not in free]
    shapes = [
        f"{name} {list(theirs[name].shape)} instead of {list(ours[name].shape)}"
        for name in ours
        if name in theirs and ours[name].shape != theirs[name].shape
    ]
    wrong = (("missing", missing), ("surplus", surplus), ("of other shapes", shapes))
    if any(names for _, names in wrong):
        said = "; ".join(f"{what}: {_listed(names)}" for what, names in wrong if names)
        raise InputError(
            f"The start is of another architecture than the student. {said}. Start from a network of the student's "
            "own architecture, such as its ANN (spikedistill.starts.ann_of)."
        )
    if named:
        target.load_own_state_dict(source.state_dict())
        return
    for name, value in ours.items():
        if name in theirs:
            value.copy_(theirs[name])


def _tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the parameters and buffers of a state; they share their memory with the network."""
    return {
        name: value for name, value in state.items() if isinstance(value, Tensor) and name.rpartition(".")[2] != COUNTER
    }


def _of_neurons(network: nn.Module) -> set[str]:
    """Return the names of the scalars that neurons learn."""
    return {
        f"{path}.{name}" if path else name
        for path, module in network.named_modules()
        if isinstance(module, Activation)
        for name, _ in module.named_parameters()
    }


def _listed(names: Iterable[str]) -> str:
    first, more = list(names)[:MOST_NAMES], max(0, len(list(names)) - MOST_NAMES)
    return ", ".join(first) + (f" and {more} more" if more else "")
