"""Parameters and operations of a network, counted as the papers count them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spikedistill.models.layers import NormAct
from spikedistill.models.model import Model, Shape
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


@torch.no_grad()
def size(model: Model, shape: Shape, classes: int = 10) -> Size:
    """Count on shapes alone; nothing is computed."""
    with torch.device("meta"):
        network = model.build(shape, classes, ReLU()).eval()
        image = torch.empty(1, *shape)
    macs = normed = 0

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal macs, normed
        if isinstance(module, nn.Conv2d | nn.Linear):
            macs += output.numel() * module.weight[0].numel()
        elif isinstance(module, Norm | NormAct):
            normed += inputs[0].numel()

    inside = {id(module.norm) for module in network.modules() if isinstance(module, NormAct)}
    for module in network.modules():
        if id(module) not in inside:
            module.register_forward_hook(count)
    network(image)
    parameters = sum(p.numel() for p in network.parameters())
    return Size(parameters, macs, macs + 4 * normed)
