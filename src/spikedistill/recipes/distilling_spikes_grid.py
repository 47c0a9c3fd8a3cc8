"""Distilling Spikes: the grid search that the paper names and does not publish, over the weights and the window.

All weights (alpha, beta, gamma) of the paper's sum in steps of a quarter, each with each length of the windows, judged
on 10,000 held-out images of MNIST, one seed. The paper has all three above 0; corners are the losses alone.
"""

from dataclasses import replace

from spikedistill.recipe import Recipe, everywhere
from spikedistill.recipes._distilling_spikes import CPU, NOTE, SOURCE, distilled, proposed, scratch
from spikedistill.table import Row, Table, simplex

GROUP = "experiments"
CITES = ("distilling-spikes",)
_DATA = "MNIST"
_LENGTHS = (32, 64, 96, 128)


def _held_out(recipe: Recipe) -> Recipe:
    return everywhere(recipe, lambda one: replace(one, data=replace(one.data, validation=10_000)))


def _row(weights: tuple[float, ...], length: int) -> Row:
    alpha, beta, gamma = weights
    method = replace(proposed(_DATA), alpha=alpha, beta=beta, gamma=gamma, window=length)
    name = f"student-grid-{alpha:g}-{beta:g}-{gamma:g}-{length}"
    recipe = distilled(_DATA, "student", scratch(_DATA, "teacher"), method, name)
    return Row(f"{alpha:g} {beta:g} {gamma:g}", _held_out(recipe), group=f"window {length}")


table = Table(
    "Distilling Spikes: grid search on held-out images",
    tuple(
        _row(weights, length)
        for length in _LENGTHS
        for weights in simplex(steps=4)
        if weights[0] > 0 or length == _LENGTHS[0]  # without sliding L1 there is no window
    ),
    source=f"{SOURCE}, section IV",
    seeds=(0,),
    cpu=CPU,
    columns=("validation",),
    note=f"{NOTE} Rows are alpha, beta, gamma. The column `validation` chooses.",
)
