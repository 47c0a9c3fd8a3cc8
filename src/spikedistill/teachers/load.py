"""Teachers: whatever yields logits, and activations if a method asks, for a batch.

Frozen, in eval mode, without gradient and outside the student, always. A teacher sees the same augmented view as the
student, normalised with the statistics it was trained with.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from spikedistill.data.dataset import Dataset
from spikedistill.data.normalise import normalise
from spikedistill.data.split import Split
from spikedistill.errors import InputError, nearest
from spikedistill.kernels import FrozenWeights
from spikedistill.machine.device import Precision, autocast, channels_last
from spikedistill.machine.state_files import tensors_digest
from spikedistill.methods.method import Signals
from spikedistill.models.taps import Taps, attach
from spikedistill.recipe import FromModule


@dataclass(frozen=True)
class LoadedTeacher:
    """A frozen network, ready to be asked."""

    network: nn.Module
    steps: int
    """T that it is run with."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights_digest: str
    takes_steps: bool
    """Whether its forward takes (images, steps), as this library's networks do, or images alone."""
    taps: Taps
    """Activations that a method reads."""
    frozen_weights: FrozenWeights = field(default_factory=FrozenWeights)
    """Its weights as a pass wants them."""

    @torch.no_grad()
    def signals(self, images: Tensor, precision: Precision) -> Signals:
        """Return what the teacher says of augmented uint8 images [B, C, H, W], or frames [B, T, C, H, W].

        Logits are rounded to float16, as they would be if they were stored, so that a run is the same with stored
        outputs and without. In bf16 this changes nothing (a network that ends in a linear layer answers in bfloat16,
        whose numbers from 2^-17 to 65504 float16 has all); in fp32 it moves a logit by at most 1 part in 2048.
        """
        x = normalise(images, self.mean, self.std)
        with autocast(x.device, precision), self.frozen_weights, self.taps.recording():
            logits = self.network(x, self.steps) if self.takes_steps else self.network(x)
        if not isinstance(logits, Tensor) or logits.dim() not in (2, 3) or logits.shape[-2] != len(images):
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(
                f"The teacher answers {len(images)} images with {got}; it must be logits [B, K] or [T, B, K]."
            )
        logits = logits if logits.dim() == 3 else logits.unsqueeze(0)
        return Signals(logits.half().float().contiguous(), self.taps.take())


def freeze(
    network: nn.Module,
    taps: Sequence[str],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    steps: int | None,
    device: torch.device,
) -> LoadedTeacher:
    """Return a network as a teacher; `steps` None for one whose forward takes images alone."""
    network = channels_last(network, device).eval().requires_grad_(False)
    weights_digest = tensors_digest(network.state_dict())
    taps_on = attach(network, taps, time=steps is not None)
    return LoadedTeacher(network, steps or 1, mean, std, weights_digest, steps is not None, taps_on)


def import_module_teacher(
    teacher: FromModule, taps: Sequence[str], data: Dataset, device: torch.device
) -> LoadedTeacher:
    """Call `package.module:callable` and return what it makes as a teacher.

    Raises:
        InputError: it cannot be imported or called, or what it returns is no module.
    """
    network = _make(teacher.target)
    if not isinstance(network, nn.Module):
        raise InputError(f"Teacher {teacher.target!r} returns {type(network).__name__}, not a torch.nn.Module.")
    return freeze(network, taps, teacher.mean or data.mean, teacher.std or data.std, None, device)


def _make(target: str) -> Any:
    """Import `package.module:callable`, also from the working directory, and return what it makes."""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise InputError(f"Teacher {target!r} is not of the form package.module:callable.")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise InputError(
            f"Teacher {target!r} cannot be imported: {type(error).__name__}: {error}. Modules are looked for among the "
            "installed packages and in the working directory."
        ) from error
    if not hasattr(module, attribute):
        raise InputError(f"Teacher {target!r}: {module_name} has no {attribute!r}.{nearest(attribute, vars(module))}")
    make = getattr(module, attribute)
    if isinstance(make, nn.Module):
        return make
    try:
        return make()
    except Exception as error:
        raise InputError(
            f"Teacher {target!r} cannot be called without arguments: {type(error).__name__}: {error}"
        ) from error


def check_answers(teacher: LoadedTeacher, split: Split, classes: int, precision: Precision) -> None:
    """Ask the teacher about two images.

    Raises:
        InputError: it cannot take such images, or it knows another number of classes.
    """
    shape = split.shape
    if not len(teacher.mean) == len(teacher.std) == shape[-3]:
        raise InputError(
            f"The teacher was made for images of {len(teacher.mean)} channels (it has as many means and deviations), "
            f"these have {shape[-3]}."
        )
    try:
        logits = teacher.signals(split.first(2), precision).logits
    except InputError:
        raise
    except Exception as error:  # whatever a user's own module raises
        raise InputError(
            f"The teacher cannot take images of shape {shape} (channels, height, width): "
            f"{type(error).__name__}: {error}"
        ) from error
    if logits.shape[-1] != classes:
        raise InputError(
            f"The teacher answers with {logits.shape[-1]} classes, the student's data set has {classes}. "
            "Take a teacher that was trained on the same classes."
        )
    if not logits.isfinite().all():
        raise InputError(
            "The teacher's logits are not all finite in float16, which ends at 65504. Take a teacher whose are."
        )


def compare_digests(recorded: str, weights_digest: str, what: str) -> str:
    """Return the digest to record for a teacher.

    Raises:
        InputError: another one is recorded: the teacher's weights have changed since the run began.
    """
    if recorded and recorded != weights_digest:
        raise InputError(
            f"{what} has other weights than when this run began ({weights_digest[:10]} instead of {recorded[:10]}). "
            "Bring the old ones back, or start a new run."
        )
    return weights_digest
