"""Norm statistics estimated anew on training images, at any number of time steps.

A norm's running statistics are those of the last training batches, at the T that these had. A network that is asked at
another T, or whose weights are an average of many steps' (EMA), has currents of other means and variances. What a few
batches in training mode say of them, averaged, is what evaluation then reads: "precise batch norm" (Wu and Johnson,
2021, arXiv 2105.07576), which MTT (Du et al., ICLR 2025, arXiv 2503.17394) does for each T of a network that is trained
for many, with 10 batches, and stochastic weight averaging (Izmailov et al., 2018) after averaging. Weights stay as they
are.

Each batch counts the same: mean of the batches' means, mean of their variances (with n - 1), as running statistics are;
the variance of the means among batches is left out, as it is there.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from spikedistill.data.dataset import Dataset
from spikedistill.data.normalise import normalise
from spikedistill.data.split import Batch
from spikedistill.errors import InputError
from spikedistill.machine.device import Precision, autocast
from spikedistill.neurons import Norm


@contextmanager
def reestimated(
    network: nn.Module, batches: Iterable[Batch], data: Dataset, steps: int, precision: Precision = "fp32"
) -> Iterator[None]:
    """Context in which a network's norms have the statistics of these batches; then they have their own again.

    See `reestimate` for the arguments and what it raises.
    """
    statistics = [value for norm in norms_of(network) for value in norm.buffers(recurse=False)]
    before = [value.clone() for value in statistics]
    try:
        reestimate(network, batches, data, steps, precision)
        yield
    finally:
        for value, old in zip(statistics, before, strict=True):
            value.copy_(old)


@torch.no_grad()
def reestimate(
    network: nn.Module, batches: Iterable[Batch], data: Dataset, steps: int, precision: Precision = "fp32"
) -> None:
    """Set the running statistics of all norms to what these batches say.

    All norms are in training mode for it, and nothing else: what the network draws (dropout) stays off.

    Args:
        network: From images [B, C, H, W] (or frames [T, B, C, H, W]) and `steps` to logits [T, B, K].
        batches: Of training images, on the network's device; at least one.
        data: Whose mean and deviation the network was trained with.
        steps: T.
        precision: Of convolutions and linear layers, `fp32` or `bf16`.

    Raises:
        InputError: the network has no norms with running statistics, or there are no batches.
    """
    norms = norms_of(network)
    if not norms:
        raise InputError("This network has no norms with running statistics: there is nothing to estimate anew.")
    modes = [(module, module.training) for module in network.modules()]
    momenta = [(norm, norm.momentum) for norm in norms]
    count = 0
    try:
        network.eval()
        for norm in norms:
            norm.train()
        for count, batch in enumerate(batches, 1):
            for norm in norms:
                norm.momentum = 1.0 / count
            x = normalise(batch.images, data.mean, data.std)
            with autocast(x.device, precision):
                network(x, steps)
    finally:
        for norm, momentum in momenta:
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
    if count == 0:
        raise InputError("Norm statistics are estimated on batches of training images, and there are none.")


def norms_of(network: nn.Module) -> "list[Norm | nn.modules.batchnorm._BatchNorm]":
    """Return the norms that keep running statistics, each once."""
    kinds = (Norm, nn.modules.batchnorm._BatchNorm)
    return [one for one in network.modules() if isinstance(one, kinds) and one.running_mean is not None]
