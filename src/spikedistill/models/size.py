"""Parameters and operations of a network, counted as the papers count them."""

import math
from dataclasses import dataclass

import torch

from spikedistill.models.model import Model, Shape
from spikedistill.models.trace import trace
from spikedistill.neurons import Norm, ReLU


@dataclass(frozen=True)
class Size:
    """Numbers for one image and one time step."""

    parameters: int
    """Learned numbers."""
    macs: int
    """Multiply-accumulates of convolutions and linear layers."""
    published_ops: int
    """`macs`, plus four operations per normalised element: what thop prints for the ANN, pooling left out.

    This is the count that KDSNN (Xu et al., CVPR 2023, table 3) gives as FLOPs.
    """


def size(model: Model, shape: Shape, classes: int = 10) -> Size:
    """Count on shapes alone; nothing is computed."""
    with torch.device("meta"):
        network = model.build(shape, classes, ReLU())
        layers = trace(network, torch.empty(1, *shape), steps=1)
    macs = sum(layer.macs for layer in layers)
    normed = sum(math.prod(layer.inputs[0]) for layer in layers if isinstance(layer.module, Norm))
    return Size(sum(p.numel() for p in network.parameters()), macs, macs + 4 * normed)
