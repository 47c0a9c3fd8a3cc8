"""Who takes part: a name, what must be importable, and the function that makes the work. Imports nothing of theirs."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KERNELS = "SPIKEDISTILL_KERNELS"


@dataclass(frozen=True)
class Contender:
    """One way to do a task."""

    about: str
    place: str
    """`module:function` in this folder; the function makes a `Work` of a task and a device."""
    package: str = "spikedistill"
    """Must be importable."""
    kernels: str = "auto"
    """What SPIKEDISTILL_KERNELS is set to."""
    keeps_memory: bool = False
    """Whether a peer gets malloc's setting of our training (`machine.allocator`); ours and yardsticks have it."""

    @property
    def installed(self) -> bool:
        """Whether the package can be found; imports nothing."""
        return importlib.util.find_spec(self.package) is not None

    def builder(self) -> Callable[..., Any]:
        """Import and return the function; for the child process."""
        module, _, function = self.place.partition(":")
        made: Callable[..., Any] = getattr(importlib.import_module(f"benchmarks.{module}"), function)
        return made


CONTENDERS: dict[str, Contender] = {
    "ours-bf16": Contender("bf16 autocast, channels_last, kernels chosen automatically", "ours:bf16"),
    "ours-fp32": Contender("float32, the same kernels", "ours:fp32"),
    "ours-reference": Contender("bf16, the readable definitions", "ours:bf16", kernels="reference"),
    "ours-bf16-rate": Contender("ours-bf16 with a backward pass on rates averaged over time", "ours:bf16_rate"),
    "ours-bf16-compile": Contender("bf16 through torch.compile; only if named", "ours:bf16_compiled"),
    "ann": Contender("yardstick: the same network with ReLU at T = 1, bf16", "yardsticks:ann"),
    "convolutions": Contender("yardstick: the convolutions alone, bf16, channels_last", "yardsticks:convolutions"),
    "copy": Contender("yardstick: read and write the tensor once each way, bf16", "yardsticks:copy"),
    "spikingjelly-tutorial": Contender(
        "as its tutorials: fp32, contiguous, image repeated over T", "peers_spikingjelly:tutorial", "spikingjelly"
    ),
    "spikingjelly-amp": Contender(
        "bf16 autocast and channels_last, first layer once; its IFNode then leaves its fused op",
        "peers_spikingjelly:amp",
        "spikingjelly",
    ),
    "spikingjelly-best": Contender(
        "as spikingjelly-amp with a float32 membrane, so that the fused op is used",
        "peers_spikingjelly:best",
        "spikingjelly",
    ),
    "spikingjelly-amp-malloc": Contender(
        "spikingjelly-amp with malloc set as our training sets it",
        "peers_spikingjelly:amp",
        "spikingjelly",
        keeps_memory=True,
    ),
    "spikingjelly-best-compile": Contender(
        "spikingjelly-best through torch.compile", "peers_spikingjelly:compiled", "spikingjelly"
    ),
    "spikingjelly-best-teacher": Contender(
        "spikingjelly-best with our teacher, asked in every step", "peers_spikingjelly:taught", "spikingjelly"
    ),
    "snntorch": Contender("fp32, loop over time, Leaky with beta = 1", "peers_snntorch:tutorial", "snntorch"),
    "norse": Contender("fp32, loop over time, IAFCell", "peers_norse:tutorial", "norse"),
    "sinabs": Contender("fp32, folded layers, IAFSqueeze", "peers_sinabs:tutorial", "sinabs"),
    "pipeline-and-model": Contender("batches, crop and flip, normalise, training step", "pipeline:both"),
    "model-alone": Contender("the same training step on one batch that stands ready", "pipeline:model"),
    "ours-recipe": Contender("a step of a recipe as `spikedistill train` does it", "recipe_step:one"),
    "pipeline-alone": Contender("batches, crop and flip, normalise", "pipeline:batches"),
}
for _dtype in ("bf16", "fp32"):
    CONTENDERS |= {
        f"ours-{_dtype}-stored": Contender("teacher's logits stored in fp16", f"ours:{_dtype}_stored"),
        f"ours-{_dtype}-teacher": Contender("teacher asked in every step", f"ours:{_dtype}_taught"),
        f"ours-{_dtype}-alone": Contender("labels alone, no teacher", f"ours:{_dtype}"),
    }
