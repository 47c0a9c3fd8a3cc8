"""The network that another recipe trains, as a teacher."""

from dataclasses import dataclass

from spikedistill.recipe import Recipe, Teacher
from spikedistill.teachers.context import Context, Trained
from spikedistill.teachers.loaded import NetworkTeacher, freeze
from spikedistill.values.plain import UNUSED, to_json


@dataclass(frozen=True)
class FromRecipe(Teacher):
    """The network that another recipe trains. It is trained first if it has not been, once for all who name it."""

    recipe: Recipe

    def load(self, context: Context) -> NetworkTeacher:
        """See `Teacher.load`; also raises what training raises."""
        return teacher_of(context.train(self.recipe), f"The teacher {self.recipe.name}", context)


def teacher_of(trained: Trained, name: str, context: Context) -> NetworkTeacher:
    """Return a network that this library has trained as a teacher; it answers at the T of its recipe."""
    recipe = trained.recipe
    identity = {"kind": "recipe", "recipe": to_json(recipe, leave_out=("place", "label", UNUSED))}
    return freeze(trained.network, name, identity, recipe.data.mean, recipe.data.std, recipe.time_steps, context)
