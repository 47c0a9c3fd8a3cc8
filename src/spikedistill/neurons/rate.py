"""Rate-based backpropagation (Yu et al., NeurIPS 2024): backward once, on firing rates averaged over time.

Where the loss is a function of the rates of the last layer alone, every spike of a neuron is given the same gradient.
What varies over time is what the neuron makes of it. Rate-based backpropagation takes the mean over time there, so that
synapses see one gradient for all steps, and their backward pass is that of one step on the mean of their inputs.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class AverageGradient(torch.autograd.Function):
    """Identity whose gradient is averaged over time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        """Return x [T, ...] as it is."""
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # noqa: ARG004
        """The mean over time, in every step; memory for one step."""
        return one_step(grads[0]).expand_as(grads[0])


def average_gradient(x: Tensor) -> Tensor:
    """Return x [T, ...], with a gradient that is averaged over time."""
    output: Tensor = AverageGradient.apply(x)  # type: ignore[no-untyped-call]
    return output


def mean_over_time(x: Tensor) -> Tensor:
    """The mean [1, ...] of x [T, ...]."""
    return x.mean(0, keepdim=True)


def one_step(grad: Tensor, mean: Callable[[Tensor], Tensor] = mean_over_time) -> Tensor:
    """The mean [1, ...] of a gradient [T, ...] over time, without work where all steps share their memory."""
    return grad[:1] if grad.stride(0) == 0 else mean(grad)


def averages(neuron: object) -> bool:
    """Whether a neuron's backward pass is done on rates."""
    return getattr(neuron, "backward", "time") == "rate"
