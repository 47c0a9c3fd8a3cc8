"""What is read is looked at before it is trained on: types, shapes, labels and counts, with what to do about each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikedistill.data.split import Split, TensorSplit
from spikedistill.errors import InputError

FEW = 20
"""Classes whose counts a message lists."""


def to_split(part: Any, name: str) -> Split:
    """Return one part of a data set as a split: a `Split`, or a pair (images, labels) of arrays or tensors.

    Raises:
        InputError: it is neither, or images are not uint8 of shape [N, C, H, W] or [N, T, C, H, W], or labels not
            whole numbers [N].
    """
    if isinstance(part, Split):
        labels: Any = part.labels
        if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.dim() != 1:
            raise InputError(f"{name}: the labels of a split must be a torch tensor [N] of type int64.")
        if len(part):
            first = part.take(torch.arange(1, device=labels.device))
            _check_type(first, name)
            _check_dimensions(tuple(first.shape), name)
        return part
    if not isinstance(part, Sequence) or len(part) != 2:
        raise InputError(
            f"{name} reads {type(part).__name__}; each of its two parts, training and test, must be a Split or a pair "
            "(images, labels) of arrays or tensors."
        )
    images, labels = (_tensor(value, f"What {name} reads") for value in part)
    _check_type(images, name)
    _check_dimensions(tuple(images.shape), name)
    _check_labels(labels, len(images), name)
    return TensorSplit(images.contiguous(), labels.to(torch.int64))


def check_content(split: Split, counts: Sequence[int], shape: tuple[int, ...], what: str) -> None:
    """Raise InputError where a split does not have these many samples of each class, of this shape and uint8.

    Args:
        split: Of which the first sample is looked at.
        counts: Samples of each class.
        shape: Of a sample.
        what: The split, at the beginning of a message.
    """
    if not len(split):
        raise InputError(f"{what} is empty. Give it some samples.")
    labels = split.labels
    outside = labels[(labels < 0) | (labels >= len(counts))]
    if len(outside):
        raise InputError(f"{what} has the label {int(outside[0])}; labels are 0 to {len(counts) - 1}.")
    found = torch.bincount(labels, minlength=len(counts)).tolist()
    if found != list(counts) and len(counts) <= FEW:
        raise InputError(f"{what} has {found} samples of its classes; {list(counts)} are stated. Correct one of them.")
    for label, (number, stated) in enumerate(zip(found, counts, strict=True)):
        if number != stated:
            raise InputError(f"{what} has {number} samples of class {label}; {stated} are stated. Correct one of them.")
    first = split.first(1)
    _check_type(first, what)
    if tuple(first.shape[1:]) != tuple(shape):
        raise InputError(f"{what} has samples of shape {tuple(first.shape[1:])}; {tuple(shape)} is stated.")


def _tensor(value: Any, what: str) -> Tensor:
    if isinstance(value, Tensor):
        return value
    try:
        array = np.asarray(value)
        return torch.from_numpy(array if array.flags.writeable else array.copy())
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is no array of numbers: {error}.") from error


def _check_type(images: Tensor, name: str) -> None:
    if images.dtype == torch.uint8:
        return
    if images.is_floating_point():
        scaled = bool(images.numel()) and float(images.max()) <= 1
        how = "Multiply by 255, round and convert" if scaled else "Round and convert"
        how += " to uint8: (images * 255).round().astype('uint8') in NumPy" if scaled else " to uint8"
    else:
        how = "Clip to 0 to 255 and convert to uint8"
    kind = str(images.dtype).removeprefix("torch.")
    raise InputError(f"{name}: images are of type {kind}; they must be uint8, 0 to 255, unnormalised. {how}.")


def _check_dimensions(shape: tuple[int, ...], name: str) -> None:
    given = f"{name}: images have the shape {list(shape)}; it must be [N, C, H, W], or [N, T, C, H, W] for frames."
    if len(shape) not in (4, 5):
        raise InputError(f"{given} Of grey images, images[:, None] has a channel." if len(shape) == 3 else given)
    if len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3):
        raise InputError(f"{given} These seem to have the channels last: images.transpose(0, 3, 1, 2) in NumPy.")
    if min(shape[1:]) < 1:
        raise InputError(given)


def _check_labels(labels: Tensor, number: int, name: str) -> None:
    kind = str(labels.dtype).removeprefix("torch.")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool or labels.dim() != 1:
        raise InputError(f"{name}: labels are {kind} of shape {list(labels.shape)}; they must be whole numbers [N].")
    if len(labels) != number:
        raise InputError(f"{name}: {number} images and {len(labels)} labels. Each image has one.")
