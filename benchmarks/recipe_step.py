"""A step of a recipe's training, on random images, from untrained teachers and starts: what it costs is the same."""

from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.tasks import RecipeStep
from benchmarks.work import Work
from spikedistill.machine.progress import Reporter
from spikedistill.recipe import Recipe, everywhere
from spikedistill.recipes._files import load
from spikedistill.runs.checks import check
from spikedistill.runs.rehearse import begin_task, some_images, stand_at
from spikedistill.runs.train import contexts, resolve
from spikedistill.training import loop


def one(task: RecipeStep, device: torch.device) -> Work:
    """The step, as it is when the task's share of all images has been seen.

    Where T is drawn, steps at each T come in turn within one call.
    """
    recipe = check(everywhere(load(task.recipe), lambda inner: replace(inner, data=inner.data.without_files())))
    if task.drawn > 1:
        return _in_turn([_step(replace(recipe, steps=t, phases=()), task, device) for t in range(1, task.drawn + 1)])
    return _step(recipe, task, device)


def _step(recipe: Recipe, task: RecipeStep, device: torch.device) -> Work:
    context_of = contexts(Path(), device, Reporter())
    resolved = resolve(recipe, context_of(recipe))
    training, state = begin_task(resolved, context_of(resolved))

    def step() -> None:
        stand_at(training, state, task.share)
        loop.train_step(training, state, some_images(training, task.batch))

    return Work(step)


def _in_turn(works: list[Work]) -> Work:
    def steps() -> None:
        for work in works:
            work.step()

    return Work(steps)
