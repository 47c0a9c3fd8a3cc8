"""Images changed as little as is allowed so that a network errs: FGSM and PGD in the maximum norm.

FGSM: Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015. PGD: Madry et al.,
"Towards deep learning models resistant to adversarial attacks", ICLR 2018, with the step of their public MNIST code,
2.5 epsilon / iterations. Both climb the cross-entropy of the mean of the logits. Pixels are in [0, 1], before any
normalisation, and stay there; they are not rounded to grey levels.

A spiking network's gradient is that of its surrogate, through all time steps. It is no derivative of what the network
computes: another attack may succeed where these fail, so an accuracy under attack is an upper bound.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from spikedistill.errors import InputError
from spikedistill.randomness import Draws

Pixels = Float[Tensor, "B C H W"]
Answer = Callable[[Tensor], Tensor]
"""From pixels to logits [T, B, K], to whose pixels gradients go back."""

ITERATIONS = 10
REACH = 2.5
"""How far PGD's steps would lead together, in units of epsilon."""


@contextmanager
def without_weights(network: nn.Module) -> Iterator[None]:
    """A context in which no gradients are computed for a network's weights."""
    learned = [weight for weight in network.parameters() if weight.requires_grad]
    try:
        for weight in learned:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in learned:
            weight.requires_grad_(True)


@torch.enable_grad()
def gradient(answer: Answer, pixels: Pixels, labels: Int[Tensor, " B"]) -> Pixels:
    """Return the gradient of the cross-entropy by the pixels, of each image's own.

    Raises:
        InputError: no gradient goes back to the pixels.
    """
    x = pixels.detach().clone().requires_grad_(True)
    loss = F.cross_entropy(answer(x).mean(0), labels, reduction="sum")
    found = torch.autograd.grad(loss, x, allow_unused=True)[0] if loss.requires_grad else None
    if found is None:
        raise InputError("the network's answers have no gradient by its images, which attacks follow")
    return found


def fgsm(pixels: Pixels, by_pixels: Pixels, epsilon: float) -> Pixels:
    """Return images a step of epsilon up the gradient's signs, clipped to [0, 1].

    Args:
        pixels: Images.
        by_pixels: What `gradient` gives for them.
        epsilon: Greatest change of a pixel's channel, in units of the range from black to white.
    """
    return (pixels + epsilon * by_pixels.sign()).clamp(0.0, 1.0)


def pgd(
    answer: Answer,
    pixels: Pixels,
    labels: Int[Tensor, " B"],
    epsilon: float,
    draws: Draws,
    iterations: int = ITERATIONS,
) -> Pixels:
    """Return images after steps up the gradient's signs from a random start, each clipped to the ball and to [0, 1].

    Args:
        answer: The network.
        pixels: Images, the middles of the balls.
        labels: Their classes.
        epsilon: See `fgsm`; the radius.
        draws: Of the starts, which are uniform in the ball.
        iterations: Steps, of 2.5 epsilon / iterations each.
    """
    low, high = (pixels - epsilon).clamp_min(0.0), (pixels + epsilon).clamp_max(1.0)
    start = 2 * draws.uniform("pgd-start", *pixels.shape[1:]).to(pixels) - 1
    x = (pixels + epsilon * start).clamp(low, high)
    for _ in range(iterations):
        x = (x + REACH * epsilon / iterations * gradient(answer, x, labels).sign()).clamp(low, high)
    return x
