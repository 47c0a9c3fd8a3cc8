"""Rate-based backpropagation (Yu et al., NeurIPS 2024): backward once, on firing rates averaged over time.

Where the loss is a function of the rates of the last layer alone, every spike of a neuron is given the same gradient.
What varies over time is what the neuron makes of it. Rate-based backpropagation takes the mean over time there, so that
synapses see one gradient for all steps, and their backward pass is that of one step on the mean of their inputs.

It is a property of a forward pass, not of a network: what is called within `backward_pass("rate")` goes back on rates.
Neurons say whether they have it (`Neuron.rates`). A pass without gradients does not know the difference.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from spikedistill.errors import InputError
from spikedistill.neurons.neuron import Neuron

Backward = Literal["time", "rate"]

_way: Backward = "time"
"""A plain variable of the module, on which torch.compile guards; it is the process's, not the thread's."""


@contextlib.contextmanager
def backward_pass(way: Backward) -> Iterator[None]:
    """Context in which networks go back through time (`time`) or once, on rates averaged over time (`rate`).

    It is entered around the forward pass; the backward pass may come later.
    """
    global _way
    before, _way = _way, way
    try:
        yield
    finally:
        _way = before


def averages(neuron: Neuron | None) -> bool:
    """Whether this pass goes back on rates through a neuron; through None, which is no neuron, it never does.

    Raises:
        InputError: it should, and the neuron has no such backward pass.
    """
    if _way == "time" or neuron is None or not neuron.spiking or not torch.is_grad_enabled():
        return False
    if not neuron.rates:
        raise InputError(
            f"{type(neuron).__name__} has no backward pass on rates. Go back through time, or take IF or LIF."
        )
    return True


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
