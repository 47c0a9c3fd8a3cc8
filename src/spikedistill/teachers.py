"""Teachers: whatever yields logits, and activations if a method asks, for a batch.

Frozen, in eval mode, without gradient and outside the student, always. A teacher sees the same augmented view as the
student, normalised with the statistics it was trained with.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikedistill.checkpoint import tensors_digest
from spikedistill.data.augment import normalise
from spikedistill.data.dataset import Dataset, Split
from spikedistill.errors import InputError
from spikedistill.methods.method import Signals
from spikedistill.precision import autocast, channels_last
from spikedistill.recipe import FromModule
from spikedistill.taps import attach


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
    taps: dict[str, Tensor]
    """Activations of the last pass, by name."""

    @torch.no_grad()
    def signals(self, images: Tensor, bf16: bool) -> Signals:
        """Return what the teacher says of augmented uint8 images [B, C, H, W]."""
        x = normalise(images, self.mean, self.std)
        with autocast(x.device, bf16):
            logits = self.network(x, self.steps) if self.takes_steps else self.network(x)
        if not isinstance(logits, Tensor) or logits.dim() not in (2, 3) or logits.shape[-2] != len(images):
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(
                f"The teacher answers {len(images)} images with {got}; it must be logits [B, K] or [T, B, K]."
            )
        return Signals(logits if logits.dim() == 3 else logits.unsqueeze(0), dict(self.taps))


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
    return LoadedTeacher(network, steps or 1, mean, std, weights_digest, steps is not None, attach(network, taps))


def import_module_teacher(
    teacher: FromModule, taps: Sequence[str], data: Dataset, device: torch.device
) -> LoadedTeacher:
    """Call `package.module:callable` and return what it makes as a teacher.

    Raises:
        InputError: it cannot be imported or called, or what it returns is no module.
    """
    module_name, _, attribute = teacher.target.partition(":")
    if not module_name or not attribute:
        raise InputError(f"Teacher {teacher.target!r} is not of the form package.module:callable.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        make = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"Teacher {teacher.target!r} cannot be imported: {error}.") from error
    network = make() if callable(make) else make
    if not isinstance(network, nn.Module):
        raise InputError(f"Teacher {teacher.target!r} returns {type(network).__name__}, not a torch.nn.Module.")
    mean, std = teacher.mean or data.mean, teacher.std or data.std
    if not len(mean) == len(std) == data.shape[0]:
        raise InputError(
            f"The teacher's mean and std must have {data.shape[0]} values each, as the images have channels."
        )
    return freeze(network, taps, mean, std, None, device)


def check_answers(teacher: LoadedTeacher, split: Split, classes: int, bf16: bool) -> None:
    """Ask the teacher about two images.

    Raises:
        InputError: it cannot take such images, or it knows another number of classes.
    """
    try:
        logits = teacher.signals(split.images[:2], bf16).logits
    except (RuntimeError, TypeError) as error:
        shape = tuple(split.images.shape[1:])
        reason = str(error).splitlines()[0]
        raise InputError(
            f"The teacher cannot take images of shape {shape} (channels, height, width): {reason}"
        ) from error
    if logits.shape[-1] != classes:
        raise InputError(
            f"The teacher answers with {logits.shape[-1]} classes, the student's data set has {classes}. "
            "Take a teacher that was trained on the same classes."
        )


def pin(recorded: str, weights_digest: str, what: str) -> str:
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
