"""Whether the parts of a recipe fit together: what can be said before anything is built."""

from dataclasses import replace

import torch

from spikedistill.errors import InputError
from spikedistill.methods.method import Side, Signals
from spikedistill.randomness import Draws
from spikedistill.recipe import Recipe, Teacher, everywhere
from spikedistill.values.plain import UNUSED, from_json, to_json


def check(recipe: Recipe) -> Recipe:
    """Return the recipe as it is saved.

    Raises:
        InputError: a value is of the wrong type, or the parts do not fit together.
    """
    recipe = from_json(Recipe, to_json(recipe, leave_out=(UNUSED,)), "recipe")
    recipe = everywhere(recipe, lambda one: replace(one, data=one.data.with_facts()))
    method = recipe.method
    if method.needs_teacher and recipe.teacher is None:
        raise InputError(
            f"The method {method.name} needs a teacher, and the recipe names none. Name one: --teacher with a recipe, "
            "a run's folder, or package.module:callable."
        )
    if recipe.teacher is not None and not method.needs_teacher:
        raise InputError(f"The method {method.name} has no use for a teacher. Leave the teacher out: --teacher none.")
    check_cache(recipe)
    if recipe.data.steps not in (None, recipe.steps):
        other = f"--data.frames {recipe.steps}" if hasattr(recipe.data, "frames") else "make other frames of the events"
        raise InputError(
            f"steps is {recipe.steps}, and {recipe.data.name} are frames of {recipe.data.steps} time steps. "
            f"Take --steps {recipe.data.steps}, or {other}."
        )
    if "rate" in (recipe.backward, *(phase.backward for phase in recipe.phases)):
        check_rates(recipe)
    if recipe.teacher is not None:
        check_classes(recipe.teacher, recipe)
    return recipe


def check_classes(teacher: Teacher, student: Recipe) -> None:
    """Raise InputError where a teacher is to be trained on other classes than the student has."""
    for inner in teacher.inner():
        if isinstance(inner, Teacher):
            check_classes(inner, student)
        elif inner.data.classes != student.data.classes:
            raise InputError(
                f"The teacher was made for {inner.data.classes} classes ({inner.data.name}), the student has "
                f"{student.data.classes} ({student.data.name}). Take a teacher that was trained on the same classes."
            )


def check_cache(recipe: Recipe) -> None:
    """Raise InputError where stored answers are asked for that cannot be."""
    if recipe.cache and recipe.teacher is None:
        raise InputError("--cache stores what a teacher answers, and the recipe names none. Leave the cache out.")
    if recipe.cache and recipe.method.teacher_taps:
        raise InputError(
            f"The method {recipe.method.name} reads activations of its teacher "
            f"({', '.join(recipe.method.teacher_taps)}), and --cache stores logits alone. Leave the cache out."
        )


def check_rates(recipe: Recipe) -> None:
    """Raise InputError where a backward pass on rates is asked for, and the neuron has none or the loss judges steps.

    Of methods that read activations, or networks when they are built, nothing is known before there are any.
    """
    method, neuron = recipe.method, recipe.neuron
    if "neuron" in recipe.unused:
        raise InputError(
            f"The model {recipe.model.name} has neurons of its own, which go back through time. Take --backward time."
        )
    if neuron.spiking and not neuron.rates:
        raise InputError(
            f"{type(neuron).__name__} has no backward pass on rates. Take --backward time, or --neuron lif."
        )
    if method.student_taps or method.teacher_taps:
        return
    generator = torch.Generator().manual_seed(0)
    shape = (max(recipe.steps, 2), 2, recipe.data.classes)
    logits = torch.randn(shape, generator=generator).requires_grad_()
    teacher = Signals(torch.randn((1, *shape[1:]), generator=generator)) if method.needs_teacher else None
    student = Signals(logits)
    try:
        module = method.build(Side(None, student), None if teacher is None else Side(None, teacher))
    except AttributeError:  # it is made for networks, and there are none yet
        return
    draws = (Draws(0, 0, torch.arange(shape[1])),) if method.draws else ()
    losses = module(student, teacher, torch.zeros(shape[1], dtype=torch.int64), *draws)
    (grad,) = torch.autograd.grad(method.total(losses), logits)
    if not torch.allclose(grad, grad[:1].expand_as(grad)):
        raise InputError(
            f"The method {method.name} judges single time steps, and --backward rate knows only their mean. "
            "Take --backward time, or a method that judges the mean of the logits over time."
        )
