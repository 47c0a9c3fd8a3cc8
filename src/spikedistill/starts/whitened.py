"""A first convolution that whitens patches of the training images, and stays as it is.

The filters are the eigenvectors of the covariance of all patches of the kernel's size, those of the greatest variance
first, each divided by the square root of its eigenvalue: their outputs are uncorrelated and of variance 1. Each comes
with its negative, since what follows passes only what is positive, and the first layer of an SNN sees the image itself,
once for all time steps. (Page, "How to train your ResNet", 2019; Jordan, arXiv 2404.00498: 34 epochs became 21 in the
small ANN of airbench94, which has 2x2 patches, 24 filters and no norm behind them.)

Where this is another thing than there:
- The covariance is about the mean; airbench's is about 0, which normalised images nearly have as their mean.
- The network is the recipe's: its first convolution keeps its size, stride and norm. With fewer channels than twice the
  patch's numbers (16 of WRN16-2 against 54) the directions of least variance have no filter; with more, the rest of the
  filters keep their first values and are frozen too.
- airbench learns a bias behind the filters for three epochs; here a norm follows sooner or later.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.recipe import Start
from spikedistill.starts.before import Before
from spikedistill.values.checks import check_above, check_count

IMAGES = 32
"""That are taken apart at a time."""


@dataclass(frozen=True)
class Whitened(Start):
    """The first convolution whitens patches of the training images, and is not trained."""

    images: int = 2000
    """Training images, augmented, whose patches are looked at."""
    eps: float = 5e-4
    """Added to the eigenvalues."""

    def __post_init__(self) -> None:
        check_count(self, "images", high=10**9)
        check_above(self, "eps")

    def load(self, context: object) -> "Whitened":  # noqa: ARG002
        """See `Part.load`: it needs nothing of others."""
        return self

    @torch.no_grad()
    def __call__(self, student: nn.Module, before: Before) -> None:
        """Set the filters and freeze them.

        Raises:
            InputError: the network does not begin with a convolution over all channels.
        """
        channels = before.recipe.data.shape[0]
        convolutions = [module for module in student.modules() if isinstance(module, nn.Conv2d)]
        first = convolutions[0] if convolutions else None
        if first is None or first.weight.shape[1] != channels:
            raise InputError(
                f"{type(student).__name__} does not begin with a convolution over all {channels} channels of the "
                "images, so there is nothing to whiten with. Leave that start out, or take a convolutional network."
            )
        height, width = first.kernel_size
        covariance = patch_covariance(before.images(self.images), height, width)
        filters = whitening(covariance, self.eps).view(-1, channels, height, width)
        pairs = torch.stack((filters, -filters), 1).flatten(0, 1)[: len(first.weight)]
        first.weight[: len(pairs)] = pairs.to(first.weight)
        first.weight.requires_grad_(False)


def patch_covariance(batches: Iterable[Tensor], height: int, width: int) -> Float[Tensor, "D D"]:
    """Return the covariance of all patches of images, in float64, with D = C * height * width.

    Args:
        batches: Of images [B, C, H, W], or frames [T, B, C, H, W].
        height: Of a patch.
        width: Likewise.
    """
    count, total, products = 0, torch.zeros(()), torch.zeros(())
    for images in batches:
        for some in images.flatten(0, -4).split(IMAGES):
            patches = F.unfold(some.float(), (height, width)).transpose(1, 2).flatten(0, 1).double()
            count += len(patches)
            total = total.to(patches) + patches.sum(0)
            products = products.to(patches) + patches.T @ patches
    mean = total / count
    covariance: Tensor = products / count - mean[:, None] * mean
    return covariance


def whitening(covariance: Float[Tensor, "D D"], eps: float) -> Float[Tensor, "D D"]:
    """Return a filter per row: eigenvectors over the root of their eigenvalue + `eps`, the greatest eigenvalue first.

    The sign is that which makes the filter's greatest entry positive, so that all machines have the same.
    """
    values, vectors = torch.linalg.eigh(covariance.cpu())
    rows = vectors.T.flip(0)
    greatest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    filters: Tensor = rows * greatest.sign() / (values.flip(0).clamp(min=0.0) + eps).sqrt()[:, None]
    return filters
