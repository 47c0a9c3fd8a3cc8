"""Teachers that are ready to be asked: whatever answers a batch with logits, and with activations if a method asks.

Frozen, in eval mode, without gradient and outside the student, always. A teacher sees the same augmented view as the
student, normalised with the statistics it was trained with.
"""

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from spikedistill.data.normalise import normalise
from spikedistill.data.split import Batch
from spikedistill.errors import InputError, UserCodeError
from spikedistill.kernels import FrozenWeights
from spikedistill.machine.device import Precision, autocast, channels_last
from spikedistill.machine.state_files import tensors_digest
from spikedistill.methods.method import Signals
from spikedistill.models.taps import Taps, attach
from spikedistill.teachers.context import Context


@dataclass(eq=False)
class LoadedTeacher:
    """Base of all teachers that are ready to be asked. One that wraps others has them in its fields."""

    identity: dict[str, Any]
    """What its answers are a function of, as plain data, with digests in place of weights. Places are not in it."""

    @property
    def digest(self) -> str:
        """SHA-256 in hex of the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    @property
    def network(self) -> nn.Module | None:
        """The network that answers, frozen; None where it is not one, or where it is not asked any more."""
        return None

    def answers(self, batch: Batch) -> Signals:
        """What the teacher says of a batch: logits [T, B, K], float32, and the activations that were asked for.

        Raises:
            InputError: it cannot answer such images, or not with logits of that many classes.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Leave the device: it will not be asked any more. Those that are wrapped do, by default."""
        for teacher in self._wrapped():
            teacher.release()

    def _wrapped(self) -> "list[LoadedTeacher]":
        values = [getattr(self, f.name) for f in fields(self)]
        flat = [item for value in values for item in (value if isinstance(value, tuple) else (value,))]
        return [item for item in flat if isinstance(item, LoadedTeacher)]


@dataclass(eq=False)
class NetworkTeacher(LoadedTeacher):
    """A frozen network that is asked about each batch."""

    asked: nn.Module
    """The network."""
    name: str
    """For messages: `The teacher package.module:callable`."""
    steps: int | None
    """T that it is run with; None for one whose forward takes images alone, as foreign networks' do."""
    mean: tuple[float, ...]
    """Per channel, of images in [0, 1], that it was trained with."""
    std: tuple[float, ...]
    """Likewise."""
    classes: int
    """That it must answer with."""
    precision: Precision
    """That its convolutions and linear layers compute in."""
    taps: Taps
    """Activations that a method reads."""
    frozen_weights: FrozenWeights = field(default_factory=FrozenWeights, init=False)
    """Its weights as a pass over as many images as the last one wants them: a copy for each number would add up."""
    _images: int = field(default=0, init=False)
    _rows: bool = field(default=False, init=False)
    """Whether its images and weights are in the order of rows, and not in channels_last."""

    @property
    def network(self) -> nn.Module:
        """The network."""
        return self.asked

    @torch.no_grad()
    def answers(self, batch: Batch) -> Signals:
        """See `LoadedTeacher.answers`.

        Logits are rounded to float16, as those that are stored are: a run that asks in each step and one on stored
        answers then learn from the same numbers, but where a kernel's last bit decides which way a number is rounded.
        In bf16 this changes nothing (a network that ends in a linear layer answers in bfloat16, whose numbers from
        2^-17 to 65504 float16 has all); in fp32 it moves a logit by at most 1 part in 2048.

        Raises:
            UserCodeError: the network fails on these images.
            InputError: what it answers is not logits [B, K] or [T, B, K] with K classes.
        """
        images = batch.images
        if not len(self.mean) == len(self.std) == images.shape[-3]:
            raise InputError(
                f"{self.name} was made for images of {len(self.mean)} channels (it has as many means and deviations), "
                f"these have {images.shape[-3]}."
            )
        if len(images) != self._images:
            self.frozen_weights, self._images = FrozenWeights(), len(images)
        x = normalise(images, self.mean, self.std)
        try:
            logits = self._ask(x)
        except InputError:
            raise
        except (Exception, SystemExit) as error:  # whatever a user's own module raises
            raise UserCodeError(
                f"{self.name} cannot answer {len(images)} images of shape {tuple(images.shape[1:])} (channels, height, "
                f"width): {type(error).__name__}: {error}"
            ) from error
        return Signals(self._checked(logits, len(images)).half().float().contiguous(), self.taps.take())

    def _ask(self, x: Tensor) -> Any:
        """What the network says; code that wants rows in memory (`x.view(batch, -1)`) is given them from then on."""
        try:
            with autocast(x.device, self.precision), self.frozen_weights, self.taps.recording():
                x = x.clone(memory_format=torch.contiguous_format) if self._rows else x
                return self.asked(x) if self.steps is None else self.asked(x, self.steps)
        except RuntimeError as error:
            if self._rows or "view size is not compatible" not in str(error):
                raise
            self._rows, self.frozen_weights = True, FrozenWeights()
            for weight in self.asked.parameters():  # cloned: where a size is 1, `contiguous` leaves strides alone
                weight.data = weight.data.clone(memory_format=torch.contiguous_format)
            return self._ask(x)

    def release(self) -> None:
        """See `LoadedTeacher.release`."""
        self.asked.to("cpu")
        self.frozen_weights = FrozenWeights()

    def _checked(self, logits: Any, images: int) -> Tensor:
        """Return logits [T, B, K]."""
        if not isinstance(logits, Tensor) or logits.dim() not in (2, 3) or logits.shape[-2] != images:
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(f"{self.name} answers {images} images with {got}; it must be logits [B, K] or [T, B, K].")
        if logits.shape[-1] != self.classes:
            raise InputError(
                f"{self.name} answers with {logits.shape[-1]} classes, the student's data set has {self.classes}. "
                "Take a teacher that was trained on the same classes."
            )
        return logits if logits.dim() == 3 else logits.unsqueeze(0)


def freeze(
    network: nn.Module,
    name: str,
    identity: dict[str, Any],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    steps: int | None,
    context: Context,
) -> NetworkTeacher:
    """Return a network as a teacher.

    Args:
        network: It is frozen and moved to the context's device.
        name: For messages.
        identity: What its answers depend on beside its weights and the numbers that follow.
        mean: See `NetworkTeacher`.
        std: See `NetworkTeacher`.
        steps: See `NetworkTeacher`.
        context: Device, precision, classes and activations.

    Raises:
        InputError: a parameter has no values (lazy, meta) or is sparse, or a tap is not there.
    """
    weights = dict(network.named_parameters()) | dict(network.named_buffers())
    weights |= {key: value for key, value in network.state_dict().items() if isinstance(value, Tensor)}
    for key, value in weights.items():
        check_values(name, key, value)
    network = channels_last(network, context.device).eval().requires_grad_(False)
    whole = identity | {
        "weights": tensors_digest(weights),
        "steps": steps,
        "mean": list(mean),
        "std": list(std),
    }
    taps = attach(network, context.taps, time=steps is not None)
    return NetworkTeacher(whole, network, name, steps, mean, std, context.data.classes, context.precision, taps)


def check_values(name: str, key: str, value: Tensor) -> None:
    """Raise InputError where a parameter of a teacher has no values, or such as cannot be kept apart."""
    lazy = is_lazy(value)
    if lazy or value.is_meta:
        what = "has no values yet: it is lazy" if lazy else "has no values: it is on the device meta"
        raise InputError(f"{name}: its parameter {key!r} {what}. Return a network with its trained weights loaded.")
    if value.layout != torch.strided or value.is_quantized:
        raise InputError(
            f"{name}: its parameter {key!r} is {'quantized' if value.is_quantized else 'sparse'} ({value.layout}). "
            "Return a network whose parameters are ordinary tensors: parameter.to_dense(), or dequantize()."
        )


def check_answers(teacher: LoadedTeacher, batch: Batch) -> None:
    """Ask the teacher about a few images.

    Raises:
        InputError: it cannot take such images, answers with another number of classes, or not with finite logits.
    """
    if not teacher.answers(batch).logits.isfinite().all():
        raise InputError(
            "The teacher's logits are not all finite in float16, which ends at 65504. Take a teacher whose are."
        )


def compare_digests(recorded: str, now: str, what: str) -> str:
    """Return the digest to record for a teacher.

    Raises:
        InputError: another one is recorded: the teacher has changed since the run began.
    """
    if recorded and recorded != now:
        raise InputError(
            f"{what} has other weights than when this run began, or another recipe ({now[:10]} instead of "
            f"{recorded[:10]}). Bring the old ones back, or start a new run."
        )
    return now
