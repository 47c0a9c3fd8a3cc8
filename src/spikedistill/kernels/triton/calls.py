"""What the dispatcher calls: the kernels where they apply, else the definition."""

import torch
import triton  # type: ignore[import-untyped, import-not-found, unused-ignore]
from jaxtyping import Float
from torch import Tensor

from spikedistill import neurons
from spikedistill.kernels import codes
from spikedistill.kernels.eligible import eligible, total_steps
from spikedistill.kernels.triton import ops
from spikedistill.neurons import PLIF, Activation, Norm

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
INTERPRETED = bool(triton.knobs.runtime.interpret)


def norm_act(
    x: Float[Tensor, "Tx B C ..."],
    norm: Norm,
    act: Activation,
    residual: Float[Tensor, "Tr B C ..."] | None = None,
    steps: int | None = None,
    *,
    residual_is_spikes: bool = False,  # noqa: ARG001
) -> Float[Tensor, "T B C ..."]:
    """`spikedistill.neurons.norm_act`, computed in float32 throughout.

    The kernels keep x, the statistics and the residual for the backward pass and recompute the rest; the residual is
    kept as it is, whether it is spikes or not. They apply to float32, bfloat16 and float16 tensors [T, B, C] and
    [T, B, C, H, W] with a norm in float32 and any of this library's neurons; all else goes through the definition.
    """
    if not _supports(x, norm, act, residual, steps):
        return neurons.norm_act(x, norm, act, residual, steps)
    y, statistics = ops.norm_act(
        x,
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        residual,
        _factor(act),
        total_steps(x, act, residual, steps),
        norm.training,
        norm.eps,
        *codes.encode(act.neuron),
    )
    if norm.training:
        with torch.no_grad():
            norm.running_mean.lerp_(statistics[0], norm.momentum)
            norm.running_var.lerp_(statistics[2], norm.momentum)
    output: Tensor = y
    return output


def activate(
    current: Float[Tensor, "Tx B C ..."], act: Activation, steps: int | None = None
) -> Float[Tensor, "T B C ..."]:
    """`act(current, steps)`: the neurons without a norm before them."""
    if not _supports(current, None, act, None, steps):
        definition: Tensor = act(current, steps)
        return definition
    y: Tensor = ops.norm_act(
        current,
        *(None, None, None, None, None),
        _factor(act),
        total_steps(current, act, None, steps),
        False,
        0.0,
        *codes.encode(act.neuron),
    )[0]
    return y


def _factor(act: Activation) -> Tensor | None:
    """PLIF's 1 / tau; how it depends on w is autograd's."""
    return torch.sigmoid(act.get_parameter("w")) if isinstance(act.neuron, PLIF) else None


def _supports(x: Tensor, norm: Norm | None, act: Activation, residual: Tensor | None, steps: int | None) -> bool:
    """Whether the kernels can do this here."""
    return (x.is_cuda or INTERPRETED) and eligible(x, norm, act, residual, steps, DTYPES)
