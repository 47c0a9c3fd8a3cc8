"""Augmentation of a batch of uint8 images on their device: what happens to an image depends on (seed, epoch, index).

Not on the batch it is in, its place there, or anything drawn before. There is no loop over images. Crop, flip and
cutout do not wait for the device; AutoAugment does, twice a batch.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Int, UInt8
from torch import Tensor

from spikedistill.data.autoaugment import cifar10_policy
from spikedistill.data.dataset import Dataset
from spikedistill.randomness import Stream, integers, uniform


def augment(
    images: UInt8[Tensor, "B C H W"], index: Int[Tensor, " B"], data: Dataset, seed: int, epoch: int
) -> UInt8[Tensor, "B C H W"]:
    """The images as this epoch shows them; `images` itself where the data set asks for no augmentation.

    Args:
        images: Of one or three channels if there is a policy.
        index: Each image's number in the training set, on the device of `images`.
        data: What to do, and the mean that cutout fills with.
        seed: The run's.
        epoch: From 0.
    """
    spec = data.augment
    if spec.crop or spec.flip:
        images = crop_and_flip(images, index, spec.crop, spec.flip, seed, epoch)
    if spec.policy == "cifar10":
        images = cifar10_policy(images, index, seed, epoch)
    if spec.cutout:
        images = cutout(images, index, spec.cutout, data.mean, seed, epoch)
    return images


def crop_and_flip(
    images: UInt8[Tensor, "B C H W"], index: Int[Tensor, " B"], padding: int, flip: bool, seed: int, epoch: int
) -> UInt8[Tensor, "B C H W"]:
    """Pad with zeros and crop back to the size, all (2 padding + 1)^2 places equally likely; then mirror half of them.

    Args:
        images: Any.
        index: Numbers in the training set.
        padding: In pixels, on each side.
        flip: Mirror left to right with probability 1/2.
        seed: The run's.
        epoch: From 0.
    """
    height, width = images.shape[2:]
    padded = F.pad(images, (padding,) * 4)
    y = torch.arange(height, device=images.device)[None]
    x = torch.arange(width, device=images.device)[None]
    if flip:
        mirrored = uniform(seed, epoch, index, Stream.FLIP) < 0.5
        x = torch.where(mirrored[:, None], width - 1 - x, x)
    y = y + integers(2 * padding + 1, seed, epoch, index, Stream.CROP_Y)[:, None]
    x = x + integers(2 * padding + 1, seed, epoch, index, Stream.CROP_X)[:, None]
    flat = (y[:, :, None] * padded.shape[3] + x[:, None, :]).flatten(1)
    return padded.flatten(2).gather(2, flat[:, None].expand(-1, images.shape[1], -1)).view(images.shape)


def cutout(
    images: UInt8[Tensor, "B C H W"],
    index: Int[Tensor, " B"],
    length: int,
    mean: tuple[float, ...],
    seed: int,
    epoch: int,
) -> UInt8[Tensor, "B C H W"]:
    """Fill one square with the mean (DeVries and Taylor, "Improved regularization of CNNs with cutout", 2017).

    The square's centre is any pixel, so the square may reach over the border; it goes from centre - length // 2 to
    centre - length // 2 + length, exclusive. (The authors' code makes an odd length one smaller.)

    Args:
        images: Any.
        index: Numbers in the training set.
        length: Side of the square in pixels.
        mean: Per channel, in [0, 1]. It is rounded to a grey level: normalisation makes it 0 to within 1 / (510 std).
        seed: The run's.
        epoch: From 0.
    """
    inside = []
    for size, stream in ((images.shape[2], Stream.CUTOUT_Y), (images.shape[3], Stream.CUTOUT_X)):
        start = integers(size, seed, epoch, index, stream)[:, None] - length // 2
        position = torch.arange(size, device=images.device)
        inside.append((position >= start) & (position < start + length))
    hole = inside[0][:, :, None] & inside[1][:, None, :]
    out = images.clone()
    for channel, value in enumerate(mean):
        out[:, channel].masked_fill_(hole, round(255 * value))
    return out
