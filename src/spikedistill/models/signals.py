"""What passes between layers: spikes, sums and means of spikes, or anything else."""

from collections.abc import Sequence
from typing import Literal

from torch import nn

from spikedistill.models.folded import Function
from spikedistill.models.layers import (
    Add,
    AvgPool2d,
    Dropout,
    Flatten,
    GlobalMean,
    MaxPool2d,
    PadChannels,
    Reshape,
    Vote,
)
from spikedistill.neurons import Neuron, Norm

Signal = Literal["spikes", "graded", "dense"]
"""0 or 1; sums, means or heights of spikes, mostly 0; anything else."""

SAME = (MaxPool2d, Flatten, Reshape, PadChannels, Dropout, nn.MaxPool2d, nn.Flatten, nn.Dropout)
SUMS = (Add, AvgPool2d, GlobalMean, Vote, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
DENSE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, Norm, nn.modules.batchnorm._BatchNorm, nn.LayerNorm)
_names = str.split
SAME_FUNCTIONS = frozenset(
    _names(
        "view view_as reshape flatten unflatten unsqueeze squeeze expand expand_as permute transpose contiguous to "
        "float half bfloat16 type_as __getitem__ getitem stack cat concat unbind split chunk detach clone max_pool2d "
        "dropout"
    )
)
SUM_FUNCTIONS = frozenset(_names("add __add__ __iadd__ __radd__ mean sum avg_pool2d adaptive_avg_pool2d"))


def given_by(neuron: Neuron) -> Signal:
    """Return what neurons give."""
    return "spikes" if neuron.binary else "graded" if neuron.spiking else "dense"


def through(signals: Sequence[Signal], same: bool = False, sums: bool = False) -> Signal:
    """Return what becomes of signals in something that keeps values, that sums them, or that does anything else."""
    if not signals or "dense" in signals or not (same or sums):
        return "dense"
    return "spikes" if same and "graded" not in signals else "graded"


def passed_by(module: nn.Module, signals: Sequence[Signal]) -> Signal | None:
    """Return what becomes of signals in a layer, in eval mode; None of a layer that is not known here."""
    if isinstance(module, Function):
        return passed_by_function(module.name, signals)
    if not isinstance(module, SAME + SUMS + DENSE):
        return None
    return through(signals, isinstance(module, SAME), isinstance(module, SUMS))


def passed_by_function(name: str, signals: Sequence[Signal]) -> Signal:
    """Return what becomes of signals in a function of torch, or a method of tensors, of that name."""
    return through(signals, name in SAME_FUNCTIONS, name in SUM_FUNCTIONS)
