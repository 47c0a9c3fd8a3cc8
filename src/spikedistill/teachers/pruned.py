"""Another teacher without the smallest weights of its convolutions: the teacher of sparse-KD.

Xu et al., "Reversing Structural Pattern Learning with Biologically Inspired Knowledge Distillation for Spiking Neural
Networks", ACM Multimedia 2024, section 3.2, Eq. (3): W_pruned = W * M, where M is 0 for the share `ratio` of weights
that are nearest to 0. Under `VanillaKD` this is sparse-KD; a ratio of 0 is self-distillation, where student and teacher
are of one architecture. The paper has no temperature; Tf-KD's self-distillation, which it follows, has 6.

Where the paper is open:
- "The weights of all connections in the convolutional layers" are sorted: together, `scope="global"`, the default, or
  each layer's by themselves, `scope="layerwise"`. Linear layers and norms keep all.
- "The smallest values" are the smallest absolute values; otherwise all negative weights went first.
- The pruned teacher is not trained again: at a ratio of 0.9 it has 35.81 % in the paper.
"""

import copy
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from spikedistill.data.split import Batch
from spikedistill.errors import InputError, shown
from spikedistill.methods.method import Signals
from spikedistill.recipe import Teacher
from spikedistill.teachers.context import Context
from spikedistill.teachers.loaded import LoadedTeacher
from spikedistill.values.checks import check_choice

CITATION = """\
@inproceedings{xu2024reversing,
  title     = {Reversing Structural Pattern Learning with Biologically Inspired Knowledge Distillation for Spiking
               Neural Networks},
  author    = {Xu, Qi and Li, Yaxin and Fang, Xuanye and Shen, Jiangrong and Zhang, Qiang and Pan, Gang},
  booktitle = {Proceedings of the 32nd ACM International Conference on Multimedia},
  year      = {2024}
}
"""
CITED_AS = ("pruned", "sparse-kd")
"""Names by which `spikedistill cite` finds it."""

Scope = Literal["global", "layerwise"]


@dataclass(frozen=True)
class Pruned(Teacher):
    """Another teacher's network, whatever names it, with its smallest convolution weights set to 0."""

    teacher: Teacher
    ratio: float = 0.5
    """Share of the convolutions' weights that is set to 0, in [0, 1), rounded to a number of weights."""
    scope: Scope = "global"
    """Whether weights are sorted over all convolutions together, or in each layer."""

    def __post_init__(self) -> None:
        if not 0 <= self.ratio < 1:
            raise InputError(
                f"The prune ratio must be in [0, 1), not {shown(self.ratio)}: at 1 no convolution has a weight left."
            )
        check_choice(self, "scope", get_args(Scope))

    def load(self, context: Context) -> "LoadedPruned":
        """See `Teacher.load`.

        Raises:
            InputError: the teacher has no network, or it has no convolutions whose weights can be pruned.
        """
        dense = self.teacher.load(context)
        if dense.network is None:
            raise InputError(
                f"A {type(self.teacher).__name__} has no network of its own that could be pruned. Prune a teacher "
                "with one, such as FromRecipe, FromRun or FromModule."
            )
        _convolutions(dense.network, self.ratio)  # refused before anything is copied
        sparse = copy.deepcopy(dense)  # the dense network may be shared
        masks = prune(sparse.network, self.ratio, self.scope)
        identity = {"kind": "pruned", "ratio": self.ratio, "scope": self.scope, "teacher": dense.identity}
        return LoadedPruned(identity, sparse, masks)


@dataclass(eq=False)
class LoadedPruned(LoadedTeacher):
    """A teacher whose network is pruned, and what was pruned."""

    teacher: LoadedTeacher
    """With the pruned network."""
    masks: dict[str, Tensor]
    """By the paths of the convolutions, in the shape of their weights: True where a weight stayed."""

    @property
    def network(self) -> nn.Module | None:
        """The pruned network."""
        return self.teacher.network

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """By the paths of the convolutions: how many weights are pruned, and of how many."""
        return {path: (int((~mask).sum()), mask.numel()) for path, mask in self.masks.items()}

    def answers(self, batch: Batch) -> Signals:
        """See `LoadedTeacher.answers`."""
        return self.teacher.answers(batch)


@torch.no_grad()
def prune(network: nn.Module, ratio: float, scope: Scope) -> dict[str, Tensor]:
    """Set the smallest weights of a network's convolutions to 0, in place; return the masks by their paths, on the CPU.

    As many weights are pruned as `ratio` says to the nearest one, whatever weights are equal: of these the first.

    Raises:
        InputError: see `Pruned.load`.
    """
    weights = _convolutions(network, ratio)
    sizes = {path: weight.detach().abs().float().cpu() for path, weight in weights.items()}
    if scope == "layerwise":
        masks = {path: _largest(size.flatten(), ratio).view(size.shape) for path, size in sizes.items()}
    else:
        together = _largest(torch.cat([size.flatten() for size in sizes.values()] or [torch.empty(0)]), ratio)
        parts = together.split([size.numel() for size in sizes.values()])
        masks = {path: part.view(size.shape) for (path, size), part in zip(sizes.items(), parts, strict=True)}
    for path, weight in weights.items():
        weight.mul_(masks[path].to(weight.device))
    return masks


def _largest(sizes: Tensor, ratio: float) -> Tensor:
    """Return True for all but the smallest share."""
    kept = torch.ones(len(sizes), dtype=torch.bool)
    kept[sizes.argsort(stable=True)[: round(ratio * len(sizes))]] = False
    return kept


def _convolutions(network: nn.Module, ratio: float) -> dict[str, nn.Parameter]:
    """Return the convolutions' weights by path; one that several share is named once."""
    found = {path: module for path, module in network.named_modules() if isinstance(module, _ConvNd)}
    if ratio and not found:
        raise InputError(
            f"{type(network).__name__} has no convolutions, and only their weights are pruned. Take another teacher, "
            "or a ratio of 0."
        )
    weights: dict[str, nn.Parameter] = {}
    for path, module in found.items():
        weight = module._parameters.get("weight")
        if weight is None:
            raise InputError(
                f"The convolution {path!r} computes its weight from other parameters (weight_norm does that, say), so "
                "it cannot be pruned. Remove the parametrization from the teacher."
            )
        if not any(weight is other for other in weights.values()):
            weights[path] = weight
    return weights
