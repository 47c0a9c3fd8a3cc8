"""Any `torch.nn.Module` of the user's, as a teacher."""

from dataclasses import dataclass, replace

from torch import nn

from spikedistill.errors import InputError
from spikedistill.recipe import Teacher
from spikedistill.teachers.context import Context
from spikedistill.teachers.loaded import NetworkTeacher, compare_digests, freeze


@dataclass(frozen=True)
class FromModule(Teacher):
    """Any `torch.nn.Module` that an importable callable returns.

    It gets normalised images [B, C, H, W], or frames [T, B, C, H, W], and answers with logits [B, K], or [T, B, K].
    """

    target: str
    """`package.module:callable`; called without arguments."""
    mean: tuple[float, ...] | None = None
    """Per channel, of images in [0, 1], that it was trained with; the data set's own where None."""
    std: tuple[float, ...] | None = None
    """Likewise."""
    digest: str = ""
    """SHA-256 of its weights, its target and its statistics; filled in when the run starts, and checked from then
    on."""

    def __post_init__(self) -> None:
        if any(not std > 0 for std in self.std or ()):
            raise InputError(f"A teacher's std must be above 0, not {self.std}.")

    @property
    def foreign(self) -> bool:
        """See `Teacher.foreign`."""
        return True

    def resolve(self, context: Context) -> "FromModule":
        """See `Teacher.resolve`. Code that is gone is no error yet where its digest is recorded."""
        try:
            teacher = self._make(context)
        except InputError:
            if self.digest:
                return self
            raise
        return replace(self, digest=compare_digests(self.digest, teacher.digest, teacher.name))

    def load(self, context: Context) -> NetworkTeacher:
        """See `Teacher.load`."""
        teacher = self._make(context)
        compare_digests(self.digest, teacher.digest, teacher.name)
        return teacher

    def _make(self, context: Context) -> NetworkTeacher:
        network = context.make(self.target)
        if not isinstance(network, nn.Module):
            raise InputError(f"Teacher {self.target!r} returns {type(network).__name__}, not a torch.nn.Module.")
        mean, std = self.mean or context.data.mean, self.std or context.data.std
        identity = {"kind": "module", "target": self.target}
        return freeze(network, f"The teacher {self.target}", identity, mean, std, None, context)
