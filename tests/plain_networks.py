"""Networks of ReLUs as engineers write them, in torch alone: what twins are made of in tests.

`tests/conftest.py` makes this module importable as `plain_networks`. They take 2 x 8 x 8 images of five classes, or
what they are told.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """A residual block of the public ResNet code: one inplace ReLU, called twice."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class Residual(nn.Module):
    """The layout of `models.ResNet(18)` in plain torch: stages of two blocks, a mean over pixels."""

    def __init__(self, channels: int = 2, classes: int = 5, width: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        inputs = width
        for k in range(4):
            outputs = width * 2**k
            stride = 2 if k else 1
            setattr(self, f"layer{k + 1}", nn.Sequential(Block(inputs, outputs, stride), Block(outputs, outputs, 1)))
            inputs = outputs
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Functional(nn.Module):
    """A pre-activation network whose ReLUs, pools and dropout are functions; two branches, concatenated."""

    def __init__(self, channels: int = 2, classes: int = 5, width: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(width)
        self.wide = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.narrow = nn.Conv2d(width, width, 1, bias=False)
        self.norm4 = nn.BatchNorm2d(2 * width)
        self.hidden = nn.Linear(2 * width * 4, 8)
        self.head = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.size(0)
        x = self.stem(x)
        y = self.conv1(F.relu(self.norm1(x)))
        x = x + self.conv2(torch.relu(self.norm2(y)))
        x = F.max_pool2d(self.norm3(x).relu(), 2)
        x = torch.cat([self.wide(x), self.narrow(x)], dim=1)
        x = F.relu(self.norm4(x), inplace=True)
        x = F.avg_pool2d(x, 2)
        x = F.dropout(x.view(batch, -1), 0.2, training=self.training)
        return self.head(F.relu(self.hidden(x)))


def stripes() -> nn.Module:
    """A network for 3 x 8 x 8 images of three classes."""
    return Functional(3, 3)
