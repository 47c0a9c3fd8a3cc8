"""A WRN16-2 of ReLUs in plain torch and its training: it stands for the network of somebody who never saw spikedistill.

    SPIKEDISTILL_DATA=DATA python plain_wrn.py

leaves plain_wrn.pt and a line an epoch in plain_wrn.log. Reading CIFAR-10 is all that spikedistill does here.
"""

import time
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from spikedistill.data import CIFAR10
from spikedistill.data.split import TensorSplit

EPOCHS, BATCH = 15, 128


class Block(nn.Module):
    """Norm, ReLU, convolution, twice (Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.same = inputs == outputs
        self.shortcut = None if self.same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = F.relu(self.bn1(x), inplace=not self.same)
        around = x if self.shortcut is None else self.shortcut(out)
        out = F.relu(self.bn2(self.conv1(out)), inplace=True)
        return self.conv2(out) + around


class PlainWRN(nn.Module):
    """Sixteen layers, twice as wide: 0.69 M weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        widths, blocks = (16, 32, 64, 128), []
        for inputs, outputs in pairwise(widths):
            blocks += [Block(inputs, outputs, 1 if inputs == 16 else 2), Block(outputs, outputs, 1)]
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(128)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn(self.blocks(self.conv(x))))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


def trained() -> PlainWRN:
    """What spikedistill is given: `--model twin --model.target plain_wrn:trained`."""
    network = PlainWRN()
    network.load_state_dict(torch.load("plain_wrn.pt", weights_only=True))
    return network


def augmented(images: torch.Tensor) -> torch.Tensor:
    """Half of them mirrored, all shifted by up to four pixels."""
    images = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
    padded = F.pad(images, (4, 4, 4, 4))
    shifts = torch.randint(0, 9, (len(images), 2)).tolist()
    return torch.stack([one[:, y : y + 32, x : x + 32] for one, (y, x) in zip(padded, shifts, strict=True)])


def normalised(images: torch.Tensor, data: CIFAR10) -> torch.Tensor:
    """As floats of mean 0 and deviation 1, channel by channel."""
    mean, std = torch.tensor(data.mean).view(3, 1, 1), torch.tensor(data.std).view(3, 1, 1)
    return ((images / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def main() -> None:
    """Train, write the accuracy after each epoch, keep the last weights."""
    torch.manual_seed(0)
    data = CIFAR10()
    splits = data.load()
    network = PlainWRN().to(memory_format=torch.channels_last)
    steps = EPOCHS * (len(splits.train) // BATCH)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=steps, pct_start=0.2)
    begin = time.monotonic()
    with open("plain_wrn.log", "w") as log:
        for epoch in range(1, EPOCHS + 1):
            network.train()
            for index in torch.randperm(len(splits.train)).split(BATCH)[: steps // EPOCHS]:
                batch = splits.train.take(index)
                optimizer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16):
                    loss = F.cross_entropy(network(normalised(augmented(batch), data)), splits.train.labels[index])
                loss.backward()
                optimizer.step()
                schedule.step()
            print(f"epoch {epoch}  test {accuracy(network, splits.test, data):.2f}%", end="  ", file=log)
            print(f"{(time.monotonic() - begin) / 60:.1f} minutes", file=log, flush=True)
    torch.save(network.state_dict(), "plain_wrn.pt")


@torch.no_grad()
def accuracy(network: nn.Module, test: TensorSplit, data: CIFAR10) -> float:
    """In percent."""
    network.eval()
    right = 0
    for index in torch.arange(len(test)).split(500):
        right += int((network(normalised(test.take(index), data)).argmax(1) == test.labels[index]).sum())
    return 100 * right / len(test)


if __name__ == "__main__":
    main()
