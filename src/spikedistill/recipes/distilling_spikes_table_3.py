"""Distilling Spikes, table 3: from the teacher by way of an assistant, each step with the paper's loss."""

from spikedistill.recipe import Recipe
from spikedistill.recipes._distilling_spikes import CPU, DATA, NOTE, SOURCE, distilled, proposed, scratch
from spikedistill.table import Row, Table

CITES = ("distilling-spikes",)
_PAPER = {
    "teacher": (98.35, 89.72, 45.43),
    "teacher to assistant": (98.36, 89.82, 45.33),
    "teacher to student": (97.46, 88.30, 41.28),
    "teacher to assistant to student": (97.56, 88.74, 42.38),
}


def _recipes(data: str) -> dict[str, Recipe]:
    method, teacher = proposed(data), scratch(data, "teacher")
    assistant = distilled(data, "assistant", teacher, method, "assistant-proposed")
    return {
        "teacher": teacher,
        "teacher to assistant": assistant,
        "teacher to student": distilled(data, "student", teacher, method, "student-proposed"),
        "teacher to assistant to student": distilled(data, "student", assistant, method, "student-by-assistant"),
    }


table = Table(
    "Distilling Spikes: an assistant between teacher and student",
    tuple(
        Row(label, recipe, paper=_PAPER[label][place], group=data)
        for place, data in enumerate(DATA)
        for label, recipe in _recipes(data).items()
    ),
    source=f"{SOURCE}, table 3",
    cpu=CPU,
    note=NOTE,
)
