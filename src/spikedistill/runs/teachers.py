"""Teachers and starts of runs: loaded before the first step, and found again when the run is finished."""

from collections.abc import Callable
from dataclasses import replace

from spikedistill.data.split import Split
from spikedistill.errors import InputError
from spikedistill.machine.progress import Reporter
from spikedistill.models import Network
from spikedistill.recipe import Recipe, everywhere
from spikedistill.runs.folder import Run, find, open_run
from spikedistill.starts.before import Before
from spikedistill.teachers.agreement import compare_answers, keep_answers
from spikedistill.teachers.context import Context, Trained
from spikedistill.teachers.loaded import LoadedTeacher, check_answers
from spikedistill.teachers.stored import open_store

TEACHER = "teacher.safetensors"
"""What the teacher said of a few images, in the folder of a run whose teacher is code of the user's."""


def load_starts(run: Run, context: Context) -> tuple[Callable[[Network, Before], None], ...]:
    """Return what is done to the student before its first step.

    A run that goes on has its weights, so the networks that it started from are not missed.

    Raises:
        InputError: what one names is not there.
    """
    begun = run.checkpoint.is_file()
    return tuple(one.load(context) for one in run.recipe.start if not (begun and one.inner()))


def load_teacher(run: Run, context: Context, split: Split, report: Reporter) -> LoadedTeacher | None:
    """Return the teacher of a run, looked at: the one that is asked in each step, or its stored answers.

    Raises:
        InputError: it is not there, cannot take these images, answers with other classes, or otherwise than before.
    """
    recipe = run.recipe
    if recipe.teacher is None:
        return None
    teacher: LoadedTeacher = recipe.teacher.load(context)
    check_answers(teacher, next(split.in_order(2)))
    kept = run.folder / TEACHER
    if recipe.teacher.foreign and kept.is_file():
        compare_answers(kept, teacher, context.device, context.precision)
    elif recipe.teacher.foreign:
        keep_answers(kept, teacher, split)
    return open_store(recipe, split, teacher, report) if recipe.cache else teacher


def compare_teacher(run: Run, context: Context) -> None:
    """Compare what the teacher of a finished run says with what it said, where its own code decides that.

    A teacher that is gone is not missed: the run is finished.

    Raises:
        InputError: it says something else now.
    """
    kept = run.folder / TEACHER
    if run.recipe.teacher is None or not run.recipe.teacher.foreign or not kept.is_file():
        return
    try:
        teacher = run.recipe.teacher.load(as_it_was(run, context))
    except InputError:
        return
    compare_answers(kept, teacher, context.device, context.precision)


def load_again(run: Run, context: Context) -> LoadedTeacher:
    """Return the teacher of a finished run that has one, as it was: it is not trained again.

    Raises:
        InputError: it is not there any more, or says something else than it did.
    """
    assert run.recipe.teacher is not None
    context = as_it_was(run, context)
    teacher: LoadedTeacher = run.recipe.teacher.load(context)
    kept = run.folder / TEACHER
    if run.recipe.teacher.foreign and kept.is_file():
        compare_answers(kept, teacher, context.device, context.precision)
    return teacher


def as_it_was(run: Run, context: Context) -> Context:
    """Return the context in which the teacher of a finished run is loaded without being trained again.

    Its `train` raises InputError where the teacher's run is not there, or not finished.
    """
    root = run.folder.parent

    def find_trained(teacher: Recipe) -> Trained:
        there = find(everywhere(teacher, with_root(context.data.root)), root)
        if there is None or not there.finished:
            raise InputError(f"The teacher {teacher.name} is not in {root}. It is not trained again to look at a run.")
        return Trained(there.recipe, there.network())

    return replace(context, taps=(), train=find_trained)


def with_root(root: str) -> Callable[[Recipe], Recipe]:
    """A change of recipes: data below `root`, where a recipe names no folder of its own; it is the same run."""
    return lambda recipe: recipe if recipe.data.root else replace(recipe, data=replace(recipe.data, root=root))


def open_trained(folder: str) -> Trained:
    """Return the network in the folder of a finished run. Raises InputError where there is none."""
    run = open_run(folder)
    return Trained(run.recipe, run.network())
