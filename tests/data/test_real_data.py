"""The published files themselves; runs where SPIKEDISTILL_DATA names them."""

import os

import pytest
import torch

from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.mnist import MNIST, FashionMNIST

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not os.environ.get("SPIKEDISTILL_DATA"), reason="SPIKEDISTILL_DATA is not set"),
]


@pytest.mark.parametrize("data", [MNIST(), FashionMNIST(), CIFAR10(), CIFAR10(channels="grey")], ids=repr)
def test_published_content(data):
    splits = data.load()
    assert splits.train.images.shape == (sum(data.train_counts), *data.shape)
    assert splits.test.images.shape == (sum(data.test_counts), *data.shape)
    values = splits.train.images.float() / 255
    mean, std = values.mean((0, 2, 3)), values.std((0, 2, 3))
    assert torch.allclose(mean, torch.tensor(data.mean), atol=6e-5)
    assert torch.allclose(std, torch.tensor(data.std), atol=6e-5)
