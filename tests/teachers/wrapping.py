"""Teachers that wrap others, as a user would write them: one that changes a network, one that asks several."""

import copy
from dataclasses import dataclass, replace

import torch
from torch import nn

from spikedistill.data.split import Batch
from spikedistill.errors import InputError
from spikedistill.methods import Signals
from spikedistill.models.taps import attach
from spikedistill.recipe import Teacher
from spikedistill.teachers import Context, LoadedTeacher, NetworkTeacher


@dataclass(frozen=True)
class Thinned(Teacher):
    """Another teacher's network without its smallest weights."""

    teacher: Teacher
    ratio: float = 0.5

    def load(self, context: Context) -> NetworkTeacher:
        inner = self.teacher.load(replace(context, taps=()))
        if not isinstance(inner, NetworkTeacher):
            raise InputError("Only a network can be thinned.")
        network = copy.deepcopy(inner.network)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                smallest = torch.quantile(module.weight.abs().flatten(), self.ratio)
                module.weight.data[module.weight.abs() < smallest] = 0.0
        identity = {"kind": "Thinned", "ratio": self.ratio, "teacher": inner.identity}
        taps = attach(network, context.taps, time=inner.steps is not None)
        return replace(inner, identity=identity, asked=network, taps=taps)


@dataclass(frozen=True)
class Panel(Teacher):
    """The mean of what several teachers say."""

    members: tuple[Teacher, ...]

    def load(self, context: Context) -> "LoadedPanel":
        if context.taps:
            raise InputError("A panel has no activations.")
        members = tuple(member.load(context) for member in self.members)
        return LoadedPanel({"kind": "Panel", "members": [member.identity for member in members]}, members)


@dataclass(eq=False)
class LoadedPanel(LoadedTeacher):
    """Loaded members."""

    members: tuple[LoadedTeacher, ...]

    def answers(self, batch: Batch) -> Signals:
        said = [member.answers(batch).logits.mean(0, keepdim=True) for member in self.members]
        return Signals(torch.stack(said).mean(0))
