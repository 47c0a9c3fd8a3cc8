"""A student's ANN twin: the same recipe with ReLU, which is its natural teacher and start at once.

student = from_ann(replace(base, method=KDSNNResponse(), neuron=IF(), epochs=5), ann_of(base, epochs=20))
"""

from dataclasses import replace
from typing import Any

from spikedistill.methods import CrossEntropy
from spikedistill.neurons import ReLU
from spikedistill.recipe import Recipe
from spikedistill.starts.weights import Weights
from spikedistill.teachers.from_recipe import FromRecipe


def ann_of(student: Recipe, **changes: Any) -> Recipe:
    """Return the recipe of the student's architecture as an ANN, trained on labels from random weights.

    Args:
        student: Its data, model, norm, optimiser, schedule and numbers are taken.
        changes: What is otherwise, as for `dataclasses.replace`: `epochs=20`, say.
    """
    plain = replace(
        student,
        name=f"{student.name}-ann",
        neuron=ReLU(),
        method=CrossEntropy(),
        teacher=None,
        start=(),
        phases=(),
        backward="time",
        cache="",
    )
    return replace(plain, **changes)


def from_ann(student: Recipe, ann: Recipe | None = None) -> Recipe:
    """Return the student's recipe with an ANN's weights as its start, and the ANN as its teacher if it needs one.

    Args:
        student: Its other starts are done after that.
        ann: Of the student's architecture; `ann_of(student)` if None.
    """
    source = FromRecipe(ann_of(student) if ann is None else ann)
    start = (Weights(source), *student.start)
    return replace(student, start=start, teacher=source if student.method.needs_teacher else None)
