"""Does bfloat16 cost accuracy? The students of the MNIST and CIFAR-10 recipes from scratch, on fewer images and epochs.

Each is to be run with `--precision bf16` and `--precision fp32` and a few seeds.
"""

from dataclasses import replace

from spikedistill.recipes.cifar10 import scratch_short
from spikedistill.recipes.mnist import scratch

GROUP = "experiments"
CITES = ("kdsnn",)

on_mnist = replace(scratch, name="precision-on-mnist", data=replace(scratch.data, train_size=10_000), epochs=3)
on_cifar10 = replace(scratch_short, name="precision-on-cifar10", data=replace(scratch_short.data, train_size=12_500))
