"""The same steps as the definitions, fast; what a kernel cannot do goes through the definition."""

from spikedistill.kernels.choice import active
from spikedistill.kernels.dispatch import (
    activate,
    max_pool2d,
    norm_act,
    rate_conv2d,
    rate_linear,
    spiking_conv2d,
    spiking_linear,
)

__all__ = [
    "activate",
    "active",
    "max_pool2d",
    "norm_act",
    "rate_conv2d",
    "rate_linear",
    "spiking_conv2d",
    "spiking_linear",
]
