"""Surrogate gradients: what the backward pass uses in place of the derivative of the Heaviside step.

A surrogate is a value with a shape parameter. `gradient(x)` is its derivative at x = membrane potential - threshold,
elementwise. Formulas and defaults are SpikingJelly's, where it has the function; the forward pass is always the exact
step, `fire`.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from spikedistill.values.checks import check_above


@dataclass(frozen=True)
class Surrogate:
    """Base of all surrogates. Their parameters are finite and above 0; anything else raises `InputError`."""

    abstract: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for field in fields(self):
            check_above(self, field.name)

    def gradient(self, x: Tensor) -> Tensor:
        """Derivative to use at x (any shape), the potential's distance from the threshold."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sigmoid(Surrogate):
    """Derivative of the logistic function: alpha * s * (1 - s), s = sigmoid(alpha * x)."""

    alpha: float = 4.0
    """Steepness; the peak is alpha / 4."""

    def gradient(self, x: Tensor) -> Tensor:
        """See the class."""
        s = torch.sigmoid(self.alpha * x)
        return (1.0 - s) * s * self.alpha


@dataclass(frozen=True)
class ATan(Surrogate):
    """Derivative of the arc tangent (Fang et al., ICCV 2021): (alpha / 2) / (1 + (pi / 2 * alpha * x)^2)."""

    alpha: float = 2.0
    """Steepness; the peak is alpha / 2."""

    def gradient(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.alpha / 2 / (1 + (math.pi / 2 * self.alpha * x).square())


@dataclass(frozen=True)
class PiecewiseQuadratic(Surrogate):
    """Derivative of the piecewise quadratic step (Esser et al., 2016): max(0, alpha - alpha^2 |x|)."""

    alpha: float = 1.0
    """Peak; the support is |x| < 1 / alpha, so that the area is one."""

    def gradient(self, x: Tensor) -> Tensor:
        """See the class."""
        return (self.alpha - self.alpha**2 * x.abs()).clamp(min=0.0)


@dataclass(frozen=True)
class SoftSign(Surrogate):
    """Derivative of the soft sign: 1 / (2 alpha (1 / alpha + |x|)^2)."""

    alpha: float = 2.0
    """Steepness; the peak is alpha / 2."""

    def gradient(self, x: Tensor) -> Tensor:
        """See the class."""
        return 1 / (2 * self.alpha * (1 / self.alpha + x.abs()).square())


@dataclass(frozen=True)
class SuperSpike(Surrogate):
    """SuperSpike (Zenke and Ganguli, 2018), in SpikingJelly's scaling: alpha / (1 + |x|)^2."""

    alpha: float = 1.0
    """Peak."""

    def gradient(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.alpha / (1 + x.abs()).square()


@dataclass(frozen=True)
class Erf(Surrogate):
    """Derivative of the error function, a Gaussian (Esser et al., 2015): alpha / sqrt(pi) * exp(-(alpha x)^2)."""

    alpha: float = 2.0
    """Steepness; the peak is alpha / sqrt(pi)."""

    def gradient(self, x: Tensor) -> Tensor:
        """See the class."""
        return (-(self.alpha * x).square()).exp() * (self.alpha / math.sqrt(math.pi))


@dataclass(frozen=True)
class Triangle(Surrogate):
    """Triangle (Bellec et al., NeurIPS 2018): height * max(0, 1 - |x| / width).

    Height 1 and width 1 is the form of TET's public code; height alpha and width 1 / alpha is `PiecewiseQuadratic`.
    """

    height: float = 0.3
    """Peak; Bellec's dampening factor."""
    width: float = 1.0
    """Half of the support."""

    def gradient(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.height * (1 - x.abs() / self.width).clamp(min=0.0)


class _Fire(torch.autograd.Function):
    """Heaviside step of x forward; backward, its gradient is the second argument."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_spikes: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return grad_spikes[0] * gradient, None


def fire(x: Tensor, surrogate: Surrogate) -> Tensor:
    """Spikes of the same shape and dtype as x: 1 where x >= 0, else 0; backward goes through `surrogate`.

    The surrogate is evaluated on the way forward and outside of the autograd function: torch.compile cannot trace a
    function whose numbers (alpha) change from one compiled model to the next. So a second derivative takes the
    surrogate for a constant.
    """
    if not (torch.is_grad_enabled() and x.requires_grad):
        return (x >= 0).to(x.dtype)
    spikes: Tensor = _Fire.apply(x, surrogate.gradient(x.detach()))  # type: ignore[no-untyped-call]
    return spikes
