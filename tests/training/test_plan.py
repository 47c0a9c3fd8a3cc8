"""Phases in the loop: images are counted, phases begin in mid-epoch, and a run resumes within one bit for bit."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from spikedistill.errors import InputError
from spikedistill.methods import TSER, KDSNNResponse
from spikedistill.optim import SGD, Adam, Constant, Cosine, Phase
from spikedistill.runs import train as runs
from spikedistill.training import loop
from spikedistill.training.plan import Plan
from spikedistill.values.plain import from_json, to_json

PHASES = (Phase(0.3, steps=1, batch_size=15), Phase(0.8, steps=2, backward="rate", rate=0.5), Phase(1.0, batch_size=40))


def steps_of(plan):
    """All steps of a training: epoch, images seen in it, and what holds."""
    for epoch in range(plan.recipe.epochs):
        seen = 0
        while (settings := plan.step(epoch, seen)) is not None:
            yield epoch, seen, settings
            seen += settings.batch_size


def test_without_phases_there_are_as_many_steps_as_batches(student):
    plan = Plan(replace(student, batch_size=25), 120)
    steps = list(steps_of(plan))
    assert [(epoch, seen) for epoch, seen, _ in steps] == [(e, s) for e in range(2) for s in (0, 25, 50, 75)]
    assert (plan.images, plan.steps(2), plan.steps(1, 50)) == (100, 8, 6)


def test_phases_begin_in_mid_epoch(student):
    """The first ends at 72 images of 240, after the step at 60; the second at 192, 72 into the next epoch."""
    plan = Plan(replace(student, phases=PHASES), 120)
    steps = [(epoch, seen, s.steps, s.batch_size, s.rate) for epoch, seen, s in steps_of(plan)]
    assert steps == [
        (0, 0, 1, 15, 1.0),
        (0, 15, 1, 15, 1.0),
        (0, 30, 1, 15, 1.0),
        (0, 45, 1, 15, 1.0),
        (0, 60, 1, 15, 1.0),
        (0, 75, 2, 30, 0.5),
        (1, 0, 2, 30, 0.5),
        (1, 30, 2, 30, 0.5),
        (1, 60, 2, 30, 0.5),
    ]
    assert [plan.steps(epoch, seen) for epoch, seen, *_ in steps] == list(range(9))
    assert plan.steps(2) == 9


def test_the_rate_is_the_schedules_times_the_phases(student):
    recipe = replace(student, optimizer=SGD(0.2), schedule=Cosine(0.5), phases=(Phase(0.5), Phase(1.0, rate=0.1)))
    plan = Plan(recipe, 120)
    for epoch, seen, _ in steps_of(plan):
        factor = recipe.schedule.factor(epoch + seen / 120, 2) * (0.1 if epoch else 1.0)
        assert plan.rate(epoch, seen) == pytest.approx(0.2 * factor, rel=1e-12)


def test_the_loop_does_what_the_plan_says(student, tmp_path, monkeypatch):
    recipe = replace(student, phases=PHASES, optimizer=SGD(0.2), schedule=Constant())
    seen = []
    step = loop.train_step

    def spy(task, state, batch):
        hook = state.trained.register_forward_pre_hook(
            lambda _module, inputs: seen.append((len(inputs[0]), inputs[1], inputs[-1]))
        )
        losses = step(task, state, batch)
        hook.remove()
        rates.append(state.optimizer.param_groups[0]["lr"])
        return losses

    rates = []
    monkeypatch.setattr(loop, "train_step", spy)
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    expected = [settings for _, _, settings in steps_of(Plan(recipe, 120))]
    assert seen == [(s.batch_size, s.steps, s.backward) for s in expected]
    assert rates == [0.2 * s.rate for s in expected]
    assert run.metrics["accuracy_by_step"] == run.metrics["accuracy_by_step"][: recipe.steps]
    assert len(run.metrics["accuracy_by_step"]) == recipe.steps


def test_a_drawn_t_is_a_function_of_seed_and_place(student):
    recipe = replace(student, steps=4, epochs=50, batch_size=10, phases=(Phase(0.5, fewest_steps=2), Phase(1.0)))
    drawn = [settings.steps for epoch, _, settings in steps_of(Plan(recipe, 120)) if epoch < 25]
    counts = [drawn.count(steps) for steps in range(1, 6)]
    assert counts[0] == counts[4] == 0
    assert all(abs(count - 100) < 5 * 8.2 for count in counts[1:4]), counts  # 300 draws of three
    assert {settings.steps for epoch, _, settings in steps_of(Plan(recipe, 120)) if epoch >= 25} == {4}
    assert drawn == [settings.steps for epoch, _, settings in steps_of(Plan(recipe, 120)) if epoch < 25]
    other = Plan(replace(recipe, seed=1), 120)
    assert drawn != [settings.steps for epoch, _, settings in steps_of(other) if epoch < 25]
    assert Plan(recipe, 120).settings(3, 40) == Plan(recipe, 120).settings(3, 40)
    assert Plan(recipe, 120).steps(50) == 600


def test_a_drawn_t_that_cannot_be_is_refused(student, taught):
    with pytest.raises(InputError, match=r"draws its T from 5 to 3\. Take fewest_steps of at most 3"):
        replace(student, phases=(Phase(1.0, fewest_steps=5),))
    with pytest.raises(InputError, match=r"same-steps compares time steps .* a phase cannot have 1 steps"):
        taught(SameSteps(), phases=(Phase(1.0, fewest_steps=1),))


def test_accuracy_is_at_the_recipes_t_in_a_phase_of_another(student, tmp_path, logged):
    """The last phase too: what is logged is what an evaluation at the recipe's T says."""
    from spikedistill.runs.evaluate import evaluate_run

    recipe = replace(student, steps=4, phases=(Phase(1.0, steps=1),), evaluate_every=1)
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    at_four = evaluate_run(run, 4, device="cpu")
    assert len(run.metrics["accuracy_by_step"]) == 4
    assert logged(run.folder)[-1]["accuracy"] == run.metrics["accuracy"] == at_four["accuracy"]


@pytest.mark.parametrize("killed", [3, 5, 6, 7])
def test_a_run_resumes_within_a_phase(killed, student, taught, tmp_path, monkeypatch, outcome, interrupted):
    recipe = taught(KDSNNResponse(), phases=PHASES, optimizer=Adam(1e-2), ema=0.5)
    root = tmp_path / "parts"
    whole = outcome(runs.train_recipe(recipe, tmp_path / "whole", "cpu"))
    runs.train_recipe(recipe.teacher.recipe, root, "cpu")
    assert outcome(interrupted(recipe, root, monkeypatch, killed)) == whole


def test_phases_are_part_of_the_recipe(student):
    recipe = replace(student, phases=PHASES)
    assert recipe.hash != student.hash
    assert from_json(type(recipe), to_json(recipe)) == recipe


def test_a_batch_of_a_phase_that_is_larger_than_an_epoch_is_refused_before_a_teacher_trains(taught, tmp_path):
    recipe = taught(KDSNNResponse(), batch_size=50, phases=(Phase(1.0, batch_size=101),))
    with pytest.raises(InputError, match="batch_size 101 is more than the 100 training images"):
        runs.train_recipe(recipe, tmp_path, "cpu")
    assert not list(tmp_path.glob("teacher-*"))


@dataclass(frozen=True)
class SameSteps(TSER):
    """Compares time steps."""

    name: ClassVar[str] = "same-steps"
    same_steps: ClassVar[bool] = True


def test_other_steps_are_refused_where_steps_are_compared(taught):
    assert taught(SameSteps(), phases=(Phase(0.5, steps=3), Phase(1.0)))
    with pytest.raises(InputError, match=r"same-steps compares time steps .* a phase cannot have 1 steps"):
        taught(SameSteps(), phases=(Phase(0.5, steps=1), Phase(1.0)))


def test_rates_are_refused_where_steps_are_judged(taught, tmp_path):
    recipe = taught(TSER(), phases=(Phase(0.5, backward="rate"), Phase(1.0)))
    with pytest.raises(InputError, match="tser judges single time steps"):
        runs.train_recipe(recipe, tmp_path, "cpu")


def test_a_warm_up_longer_than_the_training_is_refused(student):
    assert replace(student, schedule=Cosine(2.0))
    with pytest.raises(InputError, match=r"warmup_epochs is 2\.5, more than the 2 epochs"):
        replace(student, schedule=Cosine(2.5))


def test_evaluation_every_few_epochs(student, stripes, tmp_path, logged):
    """The weights do not depend on it; the last epoch is always evaluated."""
    recipe = replace(student, data=stripes(validation=30), epochs=5)
    every, some = (
        runs.train_recipe(replace(recipe, evaluate_every=k), tmp_path / str(k), "cpu").folder for k in (1, 2)
    )
    assert (every / "weights.safetensors").read_bytes() == (some / "weights.safetensors").read_bytes()
    for mine, theirs in zip(logged(some), logged(every), strict=True):
        assert mine["losses"] == theirs["losses"]
        if mine["epoch"] in (2, 4, 5):
            assert (mine["accuracy"], mine["validation_accuracy"]) == (
                theirs["accuracy"],
                theirs["validation_accuracy"],
            )
        else:
            assert not {"accuracy", "validation_accuracy"} & mine.keys()
