"""Ways to teach, a file for each: networks as teachers, and what they have said, stored."""

from spikedistill.teachers.context import Context, Trained
from spikedistill.teachers.from_module import FromModule
from spikedistill.teachers.from_recipe import FromRecipe
from spikedistill.teachers.from_run import FromRun
from spikedistill.teachers.loaded import LoadedTeacher, NetworkTeacher, freeze
from spikedistill.teachers.pruned import Pruned
from spikedistill.teachers.stored import StoredAnswers

__all__ = [
    "Context",
    "FromModule",
    "FromRecipe",
    "FromRun",
    "LoadedTeacher",
    "NetworkTeacher",
    "Pruned",
    "StoredAnswers",
    "Trained",
    "freeze",
]
