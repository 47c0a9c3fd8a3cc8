"""The spiking twin of any network of ReLUs that torch.fx can follow.

Its ReLUs are the recipe's neurons; its other layers stay, with their weights and norms, and work in each time step.
What comes before the first neurons sees a still image once, and is held. With ReLU as the neuron it is the network
itself.
Which layers can stay: `spikedistill.models.twin.known`.

A twin differs from a converted network (Rueckauer et al., Frontiers in Neuroscience 2017) in that nothing is balanced
or scaled: the weights are where its training starts.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from spikedistill.errors import InputError, UserCodeError
from spikedistill.machine.state_files import tensors_digest
from spikedistill.models.model import Model, Network, Shape, as_ann
from spikedistill.models.module import made_anew
from spikedistill.models.twin.follow import Asked, Followed
from spikedistill.models.twin.rewrite import Rewritten, rewrite
from spikedistill.neurons import BatchNorm, Neuron, Normalisation

TOLERANCE = 1e-3
"""Of the largest logit: by how much a twin with ReLU may answer otherwise than its module, whose sums have another
order."""


class TwinNetwork(Network):
    """A module with neurons. Its layers lie below `module`, at the paths that they have in the user's module.

    A norm that is one step with its neurons is at PATH.norm. `own_state_dict` and `load_own_state_dict` speak in the
    names of the user's module.
    """

    def __init__(self, rewritten: Rewritten, own: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.module = rewritten.tree
        self.stages = rewritten.stages
        self._calls = rewritten.calls
        here = self.module.state_dict().keys()
        moved = {name: _moved(name, rewritten.fused) for name in own}
        self._names = {name: ours for name, ours in moved.items() if ours in here}
        self._rest = {name: value.detach().clone() for name, value in own.items() if moved[name] not in here}

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`."""
        return self._calls(self, frames, steps)

    def own_state_dict(self) -> dict[str, Tensor]:
        """The state dict of the user's module, which loads it: what the twin does not use is as it was."""
        state = self.module.state_dict()
        return {name: state[ours] for name, ours in self._names.items()} | self._rest

    def load_own_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state dict of the user's module.

        Raises:
            InputError: it has other names or shapes.
        """
        known = self.own_state_dict()
        wrong = [name for name in known.keys() | state.keys() if _shape(known.get(name)) != _shape(state.get(name))]
        if wrong:
            named = ", ".join(sorted(wrong)[:5])
            raise InputError(f"These are not the weights of the twin's module: {len(wrong)} differ, such as {named}.")
        self.module.load_state_dict({ours: state[name] for name, ours in self._names.items()}, strict=False)
        self._rest = {name: state[name].detach().clone() for name in self._rest}


def _moved(name: str, fused: tuple[str, ...]) -> str:
    """The name in the twin of what has this name in the module."""
    norm, _, last = name.rpartition(".")
    return f"{norm}.norm.{last}" if norm in fused else name


def _shape(value: Tensor | None) -> tuple[int, ...] | None:
    return None if value is None else tuple(value.shape)


@dataclass(frozen=True)
class Twin(Model):
    """A network of ReLUs of one's own, with the recipe's neurons in their place and its weights as the start.

    Its norms and weights are the module's own; a recipe's norm is not used. Its weights are in the recipe's hash, its
    code is not: give changed code another name.
    """

    name = "twin"
    uses: ClassVar[frozenset[str]] = frozenset({"neuron"})

    target: str = ""
    """`package.module:callable`; called without arguments, and makes a new torch module, from images [B, C, H, W] to
    logits [B, K], in every call."""
    digest: str = field(default="", repr=False)
    """SHA-256 of its weights; filled in when the run starts, and checked from then on."""

    def resolve(self, seed: int) -> "Twin":
        """See `Model.resolve`. Code that is gone is no error yet where its digest is recorded.

        Raises:
            InputError: the module is not the one that was recorded, or has other weights in every call.
        """
        try:
            digest, again = (self._weights(seed) for _ in range(2))
        except InputError:
            if self.digest:
                return self
            raise
        if digest != again:
            raise InputError(
                f"The model {self.target!r} has other weights in every call, so no run of it could be resumed. "
                "Load them, or draw them with torch's own random numbers, which the recipe's seed sets."
            )
        if self.digest and digest != self.digest:
            raise InputError(
                f"The model {self.target!r} has other weights than when this run began ({digest[:10]} instead of "
                f"{self.digest[:10]}). Bring the old ones back, or start a new run."
            )
        return replace(self, digest=digest)

    def _weights(self, seed: int) -> str:
        """The digest of a module that is made by this seed; the process's random numbers go on as they were."""
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.manual_seed(seed)
            module, _ = made_anew(self.target, self.name)
        state = {key: value for key, value in module.state_dict().items() if isinstance(value, Tensor)}
        return tensors_digest({key: value for key, value in state.items() if not is_lazy(value)})

    def build(
        self,
        shape: Shape,
        classes: int,
        neuron: Neuron,
        norm: Normalisation = BatchNorm(),  # noqa: ARG002
    ) -> Network:
        """See `Model.build`. The module is asked about images of noise, and so is its twin with ReLU.

        Raises:
            InputError: nothing is named, what is made is no new module, it has something that has no spiking meaning or
                that torch.fx cannot follow, or it answers with something else than logits.
            UserCodeError: the code that is named fails.
        """
        device = torch.get_default_device()
        with torch.device("cpu"):  # also where sizes alone are asked for, on the device meta
            module, name = made_anew(self.target, self.name)
            images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
            answer = _asked(module, images, classes, name)
            own = copy.copy(module.state_dict())
            network = TwinNetwork(rewrite(Followed(module, shape, name), neuron), own)
            _compare(network, images, answer, name)
        return network.to(device) if device.type == "meta" else network

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """None: all of them are the users'."""
        return []


@torch.no_grad()
def _asked(module: nn.Module, images: Tensor, classes: int, name: str) -> Tensor:
    """What a module says of images, in eval mode; it is left in training mode."""
    module.eval()
    given = images.unsqueeze(0) if isinstance(module, Network) else images
    try:
        answer = Asked(module)(given)
    except InputError:
        raise
    except Exception as error:
        raise UserCodeError(
            f"{name} cannot take images [B, {', '.join(map(str, images.shape[1:]))}]: {type(error).__name__}: {error}"
        ) from error
    module.train()
    if isinstance(module, Network) and isinstance(answer, Tensor) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, Tensor) or answer.dim() != 2 or len(answer) != len(images):
        got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise InputError(f"{name} answers {len(images)} images with {got}. It must be logits, a tensor [B, K].")
    if answer.shape[1] != classes:
        raise InputError(f"{name} answers with {answer.shape[1]} classes; the data set has {classes}.")
    return answer


@torch.no_grad()
def _compare(network: TwinNetwork, images: Tensor, answer: Tensor, name: str) -> None:
    """Raise InputError where a twin with ReLU does not say what its module says."""
    network.eval()
    with as_ann(network):
        said = network(images, 1)[0]
    network.train()
    distance = (said - answer).abs().max()
    if not distance <= TOLERANCE * answer.abs().max().clamp(min=1.0):
        raise InputError(
            f"{name} cannot be made a twin: with ReLU it answers otherwise than the module itself (by {distance:.2g}). "
            "Something in the module's forward pass is out of torch.fx's sight: hooks on its modules, tensors that are "
            "changed in place under another name, numbers that differ from call to call."
        )
