"""Any torch module as the student: a network written with SpikingJelly or snnTorch, or with nothing but torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args
from weakref import WeakSet

import torch
from torch import Tensor, nn

from spikedistill.errors import InputError, UserCodeError
from spikedistill.models.model import Model, Network, Shape
from spikedistill.neurons import BatchNorm, Neuron, Normalisation, spread
from spikedistill.values.checks import check_choice
from spikedistill.values.targets import make

Takes = Literal["sequence", "step", "image"]

_made: "WeakSet[nn.Module]" = WeakSet()


class ModuleNetwork(Network):
    """A module of the user's, made to speak as a `Network`. Its neurons' state is reset before and after each pass.

    State is reset as SpikingJelly's `functional.reset_net` and snnTorch's `reset_mem` do, in every module that has
    `reset()` or `reset_mem()`.
    """

    def __init__(self, module: nn.Module, name: str, takes: Takes, spiking: bool) -> None:
        super().__init__()
        self.module = module
        self.name = name
        self.takes = takes
        self.spiking = spiking
        self.tappable = takes == "sequence"

    def logits(self, frames: Tensor, steps: int | None) -> Tensor:
        """See `Network.logits`. An answer [B, K] counts as T = 1.

        Raises:
            InputError: the answer is something else than logits, or of another number of steps than asked.
        """
        frames = spread(frames, steps if self.spiking else None)
        answer = self.answer(frames)
        if len(answer) not in (1, len(frames)):
            raise InputError(
                f"{self.name} answers with {len(answer)} time steps; asked were {len(frames)}. Say --steps "
                f"{len(answer)} where that is its own number."
            )
        return answer

    def answer(self, frames: Tensor) -> Tensor:
        """Logits [T, B, K] for frames [T, B, C, H, W]; of a module that makes its own time, with its own T."""
        self.reset()
        answer = self._ask(frames)
        self.reset()
        if not isinstance(answer, Tensor) or answer.dim() not in (2, 3) or answer.shape[-2] != frames.shape[1]:
            got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise InputError(
                f"{self.name} answers {frames.shape[1]} images with {got}. It must be logits, a tensor [B, K] or "
                f"[T, B, K]. It is given {self.takes}s: see --model.takes."
            )
        return answer if answer.dim() == 3 else answer.unsqueeze(0)

    def _ask(self, frames: Tensor) -> object:
        if self.takes == "sequence":
            return self.module(frames)
        if self.takes == "step":
            answers = [self.module(frame) for frame in frames]
            return torch.stack(answers) if all(isinstance(answer, Tensor) for answer in answers) else answers[0]
        if len(frames) > 1 and frames.stride(0):
            raise InputError(f"{self.name} is given images, and these are frames in time. Say --model.takes sequence.")
        return self.module(frames[0])

    def reset(self) -> None:
        """Forget what the neurons remember, and with it the pass before."""
        for module in self.module.modules():
            forget = _forgets(module)
            if forget is not None:
                forget()


def _forgets(module: nn.Module) -> Callable[[], object] | None:
    """Return what resets a module's own state. (`reset` is a tensor in snnTorch's neurons.)"""
    for name in ("reset", "reset_mem"):
        method = getattr(module, name, None)
        if callable(method) and not isinstance(method, nn.Module):
            found: Callable[[], object] = method
            return found
    return None


@dataclass(frozen=True)
class TorchModule(Model):
    """A network that an importable callable makes: SpikingJelly's, snnTorch's, any torch module.

    Its neurons, norms and initial weights are its own; a recipe's neuron is not used. Its code is not in the recipe's
    hash, so give changed code another name.
    """

    name = "module"
    uses: ClassVar[frozenset[str]] = frozenset()

    target: str = ""
    """`package.module:callable`; called without arguments, and makes a new network in every call."""
    takes: Takes = "sequence"
    """What a call is given: the whole sequence [T, B, C, H, W] (SpikingJelly's multi-step modules), one time step
    [B, C, H, W] of T calls (single-step modules), or the image [B, C, H, W], and time is made inside."""
    spiking: bool = True
    """False for a network without time, which has T = 1 whatever the recipe says."""

    def __post_init__(self) -> None:
        check_choice(self, "takes", get_args(Takes))

    def spikes(self, neuron: Neuron) -> bool:  # noqa: ARG002
        """See `Model.spikes`."""
        return self.spiking

    def build(
        self,
        shape: Shape,
        classes: int,
        neuron: Neuron,  # noqa: ARG002
        norm: Normalisation = BatchNorm(),  # noqa: ARG002
    ) -> Network:
        """See `Model.build`. It is asked about two empty images, so that what cannot fit is said at once.

        Raises:
            InputError: nothing is named, what is made is no new module, or it answers with something else than logits.
            UserCodeError: the code that is named fails.
        """
        module, name = made_anew(self.target, self.name)
        network = ModuleNetwork(module, name, self.takes, self.spiking)
        _rehearse(network, shape, classes)
        return network

    @classmethod
    def examples(cls) -> list[tuple[Model, Shape]]:
        """None: all of them are the users'."""
        return []


def made_anew(target: str, kind: str) -> tuple[nn.Module, str]:
    """Return the module that the target of a model of that kind makes, and what to call it in messages.

    Raises:
        InputError: nothing is named, or what is made is no new module.
        UserCodeError: the code that is named fails.
    """
    if not target:
        raise InputError(f"The model {kind} needs the name of what makes it: --model.target package.module:callable")
    module, name = make(target, "Model"), f"The model {target!r}"
    if not isinstance(module, nn.Module):
        raise InputError(f"{name} is made as {type(module).__name__}, not as a torch.nn.Module.")
    if module in _made:
        raise InputError(f"{name} is the same network in every call. Name a class or function that makes a new one.")
    _made.add(module)
    return module, name


@torch.no_grad()
def _rehearse(network: ModuleNetwork, shape: Shape, classes: int) -> None:
    network.eval()
    try:
        known = network.answer(torch.zeros(1, 2, *shape)).shape[-1]
    except InputError:
        raise
    except Exception as error:
        raise UserCodeError(
            f"{network.name} cannot take images of shape {shape} (channels, height, width) as {network.takes}s: "
            f"{type(error).__name__}: {error}. What it is given is said with --model.takes sequence, step or image."
        ) from error
    network.train()
    if known != classes:
        raise InputError(f"{network.name} answers with {known} classes; the data set has {classes}.")
