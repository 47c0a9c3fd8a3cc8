"""Activations of a layer as points of a plane: t-SNE of what the classifier reads."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.evaluate.forms import CONNECTIONS
from spikedistill.models.taps import INPUT
from spikedistill.models.trace import watching

PERPLEXITY = 30.0
FEWEST = 5
"""Images."""
NEIGHBOURS = 10
"""Of a point, whose classes are looked at."""


def classifiers_input(network: nn.Module, ask: Callable[[], object]) -> str:
    """Return the tap of what the last convolution or linear layer of a network reads, of those that a pass calls.

    Args:
        network: Any module.
        ask: Makes a pass.

    Raises:
        InputError: there is no such layer.
    """
    last = _Last()
    with watching(network, last):
        ask()
    if last.path is None:
        raise InputError(f"{type(network).__name__} has no convolution or linear layer at its end. Name one: --layer.")
    return last.path + INPUT


class _Last:
    """Which layer of synapses was called last."""

    path: str | None = None

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """See `Watcher`."""

    def leave(self, path: str) -> Callable[[nn.Module, Any, Any, Any], Any]:
        """See `Watcher`."""

        def note(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:  # noqa: ARG001
            if isinstance(module, CONNECTIONS):
                self.path = path

        return note


def embedded(features: Float[Tensor, "N F"]) -> tuple[Float[np.ndarray, "N 2"], float]:
    """Return images as points that lie near each other where their activations do, and the perplexity.

    t-SNE (van der Maaten and Hinton, JMLR 2008) by scikit-learn, from the first two principal components and a fixed
    seed. The perplexity is 30; of fewer than 91 images a third of the others, as there have to be three times as many.

    Raises:
        InputError: there are fewer than 5 images, or the activations are not finite, or the same for all images.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    values = features.double().numpy()
    if len(values) < FEWEST:
        raise InputError(f"t-SNE places images by their neighbours; {len(values)} are too few. Take {FEWEST} or more.")
    if not np.isfinite(values).all():
        raise InputError("The activations are not finite: there is nothing to place images by.")
    if (values == values[0]).all():
        raise InputError("The activations are the same for all images: there is nothing to place them by.")
    if values.shape[1] == 1:  # principal components are two
        values = np.concatenate([values, np.zeros_like(values)], axis=1)
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    with threadpool_limits(1):  # sums of several threads are not the same to the last bit, which moves every point
        points = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(values)
    return points.astype(np.float64), perplexity


def same_class(points: Float[np.ndarray, "N 2"], labels: Int[np.ndarray, " N"]) -> float:
    """Return the share of each point's 10 nearest that are of its class, mean over points."""
    apart = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.argsort(1, kind="stable")[:, : min(NEIGHBOURS, len(points) - 1)]
    return float((labels[nearest] == labels[:, None]).mean())
