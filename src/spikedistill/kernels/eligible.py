"""What every kernel of `norm_act` can do; the rest, right or wrong, is the definition's."""

import torch
from torch import Tensor

from spikedistill.kernels import codes
from spikedistill.neurons import PLIF, Activation, Norm


def total_steps(x: Tensor, act: Activation, residual: Tensor | None, steps: int | None) -> int:
    """T of the output."""
    have = x.shape[0] if residual is None else max(x.shape[0], residual.shape[0])
    return steps if steps is not None and act.neuron.spiking else have


def eligible(
    x: Tensor,
    norm: Norm | None,
    act: Activation,
    residual: Tensor | None,
    steps: int | None,
    dtypes: tuple[torch.dtype, ...],
) -> bool:
    """Whether types, shapes and devices are those of a kernel whose activations have one of `dtypes`."""
    if x.dtype not in dtypes or x.dim() not in (3, 5) or x.numel() == 0 or not codes.known(act):
        return False
    parameters: list[Tensor] = [act.get_parameter("w")] if isinstance(act.neuron, PLIF) else []
    if norm is not None:
        if not codes.known_norm(norm) or norm.channels != x.shape[2]:
            return False
        if norm.training and x.numel() == norm.channels:
            return False
        parameters += [norm.weight, norm.bias, norm.running_mean, norm.running_var]
    device = x.device
    for parameter in parameters:
        if parameter.dtype != torch.float32 or parameter.device != device:
            return False
    if residual is not None and (residual.dtype, residual.device) != (x.dtype, x.device):
        return False
    if residual is not None and residual.shape[1:] != x.shape[1:]:
        return False
    total = total_steps(x, act, residual, steps)
    return total > 0 and all(t is None or t.shape[0] in (1, total) for t in (x, residual))
