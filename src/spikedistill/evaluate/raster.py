"""Which neurons fire when, for one image."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from spikedistill.errors import InputError
from spikedistill.evaluate.energy import spiking
from spikedistill.models import Network
from spikedistill.models.module import ModuleNetwork
from spikedistill.models.trace import trace, watching


@dataclass(frozen=True)
class Raster:
    """What a layer of spiking neurons gave."""

    path: str
    fired: Bool[Tensor, "T M"]
    """Whether each neuron gave something else than 0 in each step; a map's neurons in the order [C, H, W]."""

    def some(self, number: int) -> list[tuple[int, int]]:
        """Return the spikes of `number` neurons, evenly chosen from all (or of all): (step, which of them), from 0."""
        shown = min(number, self.fired.shape[1])
        chosen = torch.arange(shown, device=self.fired.device) * self.fired.shape[1] // max(shown, 1)
        return [(t, i) for t, i in self.fired[:, chosen].nonzero().tolist()]


@torch.no_grad()
def rasters(network: Network, image: Tensor, steps: int) -> tuple[Float[Tensor, "T K"], list[Raster]]:
    """Return a network's logits for an image, and the rasters of its spiking layers, from one pass.

    The layers are those that have firing rates (`spikedistill.evaluate.energy.rates`), in the order in which they are
    called; of a network without spikes there are none.

    Args:
        network: In eval mode.
        image: What it takes: [1, C, H, W], or frames [T, 1, C, H, W].
        steps: T for a static image.

    Raises:
        InputError: a layer of the user's network gives no steps that could be told apart.
    """
    layers = trace(network, image, steps)
    recorder = _Recorder()
    with watching(network, recorder):
        logits = network(image, steps)[:, 0].float()
    given: dict[str, list[Tensor]] = defaultdict(list)
    for layer, output in zip(layers, recorder.outputs, strict=True):
        if isinstance(output, Tensor) and spiking(layer):
            given[layer.path].append(output)
    found = []
    for path, outputs in given.items():
        together = _by_step(network, outputs, len(logits), path)
        found += [Raster(path, values.reshape(len(logits), -1) != 0) for values in together]
    return logits, found


def _by_step(network: nn.Module, outputs: list[Tensor], steps: int, path: str) -> list[Tensor]:
    """Return a layer's outputs [T, ...], one for each of its calls: with all steps, or once in each step."""
    own_time = isinstance(network, ModuleNetwork) and network.takes != "sequence"
    if own_time and len(outputs) % steps == 0:
        calls = len(outputs) // steps
        return [torch.stack(outputs[k::calls]) for k in range(calls)]
    if any(not output.dim() or len(output) != steps for output in outputs):
        shape = tuple(outputs[0].shape)
        raise InputError(
            f"The layer {path!r} gives {shape} for one image in {steps} steps: which of them are its steps cannot be "
            "told. Neurons that are given sequences must give [T, ...], time first."
        )
    return outputs


class _Recorder:
    """Keeps what layers return, in the order of their calls."""

    def __init__(self) -> None:
        self.outputs: list[Any] = []

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """Before a call."""

    def leave(self, path: str) -> Callable[[nn.Module, Any, Any, Any], Any]:  # noqa: ARG002
        """Return the hook that keeps an output; copied, because what comes next may work in place."""

        def keep(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:  # noqa: ARG001
            self.outputs.append(result.detach().clone() if isinstance(result, Tensor) else result)

        return keep
