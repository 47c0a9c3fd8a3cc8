"""Every number of docs/networks.md, computed; the published ones are held to the rule that the page states."""

import math
import re
from functools import cache
from pathlib import Path

import pytest
import torch

from spikedistill import models
from spikedistill.models.layers import AvgPool2d, GlobalMean, MaxPool2d
from spikedistill.models.size import size
from spikedistill.models.trace import trace
from spikedistill.neurons import IF, Activation, Norm

PAGE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()
STEPS = 4
PREFIX = {"M": 1e6, "G": 1e9}


def rows(heading):
    """The rows of the table whose first line begins so, as lists of cells."""
    (table,) = re.findall(rf"^{re.escape(heading)}.*\n\|[-|:]+\|\n((?:\|.*\n?)+)", PAGE, flags=re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def built(value, image):
    """The architecture and the shape that a row names."""
    return eval(value.strip("`"), vars(models)), tuple(map(int, image.split("x")))


@cache
def counted(value, image, classes):
    """What the papers count, for one image: parameters and FLOPs of the ANN, the rest of four steps of the SNN."""
    model, shape = built(value, image)
    ann = size(model, shape, classes)
    with torch.device("meta"):
        layers = trace(model.build(shape, classes, IF()), torch.empty(1, *shape), 1)
    ops = macs = spikes = 0
    for layer in layers:
        inputs = math.prod(layer.inputs[0])
        if layer.macs:
            ops += layer.macs
            macs += layer.macs if layer.reads != "spikes" else 0
        elif isinstance(layer.module, Norm):
            ops, macs = ops + 2 * inputs, macs + 2 * inputs
        elif isinstance(layer.module, AvgPool2d | MaxPool2d | GlobalMean):
            ops, macs = ops + inputs, macs + inputs
        elif isinstance(layer.module, Activation):
            ops, spikes = ops + inputs, spikes + inputs
    return {
        "parameters": ann.parameters,
        "FLOPs": ann.published_ops,
        "OPs": STEPS * ops,
        "MACs": STEPS * macs,
        "synapses": STEPS * ann.macs,
        "spikes": STEPS * spikes,
    }


def as_printed(number, like):
    """A number with the decimals and the unit of another."""
    digits, unit = like.split()
    return f"{number / PREFIX[unit]:,.{len(digits.partition('.')[2])}f} {unit}"


@pytest.mark.parametrize("row", rows("| network "), ids=lambda row: row[0])
def test_sizes(row):
    _, value, image, classes, parameters, macs = row
    ours = size(*built(value, image), int(classes))
    assert (f"{ours.parameters:,}", f"{ours.macs:,}") == (parameters, macs)


@pytest.mark.parametrize("row", rows("| paper "), ids=" ".join)
def test_published_numbers(row):
    _, what, value, image, classes, printed, ours, met = row
    number = counted(value, image, int(classes))[what]
    assert as_printed(number, printed) == ours
    assert (ours == printed) == (met == "yes")


@pytest.mark.parametrize("row", rows("| value "), ids=lambda row: row[0])
def test_spikes_and_synaptic_operations(row):
    value, image, synapses, spikes, printed, share = row
    ours = counted(value, image, 10)
    assert as_printed(ours["synapses"], synapses) == synapses
    assert as_printed(ours["spikes"], spikes) == spikes
    assert f"{100 * float(printed.split()[0]) * 1e6 / ours['spikes']:.0f} %" == share


@pytest.mark.parametrize("row", rows("| method "), ids=lambda row: row[0])
def test_accumulates(row):
    head = re.search(r"^\| method \|(.*)", PAGE, flags=re.MULTILINE)[1]
    most = [f"{number} M" for number in re.findall(r"of ([\d.,]+) M", head)]
    for value, limit, printed, share in zip(
        ("`ResNet(18)`", '`VGG(16, "avg", ())`'), most, row[1::2], row[2::2], strict=True
    ):
        ours = counted(value, "3x32x32", 100)
        accumulates = ours["OPs"] - ours["MACs"]
        assert as_printed(accumulates, limit) == limit
        assert f"{100 * float(printed.split()[0]) * 1e6 / accumulates:.0f} %" == share


def test_what_the_page_says_of_other_forms():
    """Biases on VGG11's convolutions, maximum pools in VGG16, accumulates in pools, Pyramidnet18's distance."""
    convolutions = 64 + 128 + 2 * 256 + 4 * 512
    assert f"{(counted('VGG(11)', '3x32x32', 10)['parameters'] + convolutions) / 1e6:.2f}" == "9.76"
    pools = STEPS * (64 * 32**2 + 128 * 16**2 + 256 * 8**2 + 512 * 4**2)
    maximum = counted('VGG(16, "max", ())', "3x32x32", 100)["MACs"]
    assert f"{maximum / 1e6:.1f}" == "9.8"
    average = counted('VGG(16, "avg", ())', "3x32x32", 100)["MACs"]
    biases = STEPS * (128 * 16**2 + 256 * 8**2 + 512 * 4**2 + 512 * 2**2 + 64 * 32**2)
    pools += STEPS * 512 * 2**2
    assert biases == pools  # so that the printed number does not tell them apart
    assert f"{(average - pools + biases) / 1e6:.1f}" == "274.2"
    assert f"{(counted('ResNet(18)', '3x32x32', 100)['MACs'] - STEPS * 512 * 4**2) / 1e6:.1f}" == "12.2"
    assert f"{100 * (counted('PyramidNet()', '3x32x32', 10)['FLOPs'] / 368.74e6 - 1):.2f}" == "0.06"
    assert f"{counted('CifarResNet(20)', '3x32x32', 10)['parameters'] / 1e6:.2f}" == "0.27"
