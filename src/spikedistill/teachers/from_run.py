"""The network in the folder of a finished run, as a teacher."""

import os
from dataclasses import dataclass, field, replace

from spikedistill.recipe import Teacher
from spikedistill.teachers.context import Context
from spikedistill.teachers.from_recipe import teacher_of
from spikedistill.teachers.loaded import NetworkTeacher, compare_digests


@dataclass(frozen=True)
class FromRun(Teacher):
    """The network of a finished run's folder."""

    folder: str = field(metadata={"place": True})
    """The run's folder. Says where, not what: not in the hash."""
    digest: str = ""
    """SHA-256 of its weights and its recipe; filled in when the run starts, and checked from then on."""

    def resolve(self, context: Context) -> "FromRun":
        """See `Teacher.resolve`. A folder that is gone is no error yet where its digest is recorded."""
        if self.digest and not os.path.isdir(self.folder):
            return self
        teacher = self._open(context)
        return replace(self, digest=compare_digests(self.digest, teacher.digest, teacher.name))

    def load(self, context: Context) -> NetworkTeacher:
        """See `Teacher.load`."""
        teacher = self._open(context)
        compare_digests(self.digest, teacher.digest, teacher.name)
        return teacher

    def _open(self, context: Context) -> NetworkTeacher:
        return teacher_of(context.open(self.folder), f"The teacher in {self.folder}", context)
