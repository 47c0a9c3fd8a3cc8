"""Checks of what was read: shape, range of the labels, class counts. The order of the samples is free."""

import torch
from torch import Tensor

from spikedistill.data.split import TensorSplit
from spikedistill.errors import InputError


def check_published(
    images: Tensor, labels: Tensor, shape: tuple[int, int, int], counts: tuple[int, ...], place: str
) -> TensorSplit:
    """The split, once it has the published content.

    Args:
        images: uint8, in any shape of N times `shape` values.
        labels: Whole numbers [N].
        shape: Channels, height, width.
        counts: Samples of each class.
        place: What was read, for the message, and what to do if it is wrong.
    """
    classes = len(counts)
    values = shape[0] * shape[1] * shape[2]
    if images.dtype != torch.uint8 or images.numel() != len(labels) * values:
        raise InputError(
            f"{len(labels)} labels and images of shape {tuple(images.shape)} and type {images.dtype}; expected "
            f"{values} values of type uint8 for each of {sum(counts)} labels. {place}"
        )
    labels = labels.to(torch.int64)
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        raise InputError(f"Label {int(outside[0])}; labels are 0 to {classes - 1}. {place}")
    found = torch.bincount(labels, minlength=classes).tolist()
    if found != list(counts):
        raise InputError(f"The classes have {found} samples; the published ones have {list(counts)}. {place}")
    return TensorSplit(images.reshape(-1, *shape), labels)
