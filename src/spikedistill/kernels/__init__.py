"""The same steps as the definitions, fast; what a kernel cannot do goes through the definition."""

from spikedistill.kernels.choice import active
from spikedistill.kernels.dispatch import (
    activate,
    conv2d,
    conv2d_normed,
    linear,
    max_pool2d,
    norm_act,
    rate_conv2d,
    rate_linear,
    spiking_conv2d,
    spiking_linear,
)
from spikedistill.kernels.frozen import FrozenWeights

__all__ = [
    "FrozenWeights",
    "activate",
    "active",
    "conv2d",
    "conv2d_normed",
    "linear",
    "max_pool2d",
    "norm_act",
    "rate_conv2d",
    "rate_linear",
    "spiking_conv2d",
    "spiking_linear",
]
