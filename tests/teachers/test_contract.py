"""What every teacher keeps to: each kind that is found, and kinds that wrap others, straight and on stored answers."""

import importlib.util
import json
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import get_type_hints

import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.machine.progress import Reporter
from spikedistill.methods import KDSNNResponse, Method
from spikedistill.recipe import Recipe, Teacher, everywhere
from spikedistill.runs import train as runs
from spikedistill.teachers import FromRecipe, NetworkTeacher
from spikedistill.teachers.stored import open_store
from spikedistill.training import loop
from spikedistill.values.kinds import kinds
from spikedistill.values.plain import from_json, to_json

_spec = importlib.util.spec_from_file_location("wrapping", Path(__file__).with_name("wrapping.py"))
wrapping = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(wrapping)

FOUND = tuple(kinds(Teacher).values())
"""All kinds of the library, and those of wrapping.py."""


@pytest.fixture(params=FOUND, ids=lambda kind: kind.__name__)
def recipe(request, taught, teacher, trained, augmented, tmp_path, monkeypatch):
    """A student of a teacher of each kind. A kind's fields are filled by their type or their name."""
    (tmp_path / "contract_zoo.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        torch.manual_seed(1)\n"
        "        super().__init__(nn.Flatten(), nn.Linear(192, 9), nn.ReLU(), nn.Dropout(), nn.Linear(9, 3))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "contract_zoo", raising=False)
    by_type = {Recipe: teacher, Teacher: FromRecipe(teacher)}
    by_type[tuple[Teacher, ...]] = (FromRecipe(teacher), FromRecipe(replace(teacher, seed=1)))
    by_name = {"folder": trained, "target": "contract_zoo:Net"}
    hints = get_type_hints(request.param)
    needed = [f.name for f in fields(request.param) if f.default is MISSING]
    values = {name: by_name[name] if name in by_name else by_type[hints[name]] for name in needed}
    return taught(KDSNNResponse(), data=augmented, teacher=request.param(**values))


def batch(recipe, view=0):
    shown = recipe.data.augmented(recipe.data.load().train, recipe.view_seed)
    return next(shown.in_order(30, view))


def test_it_answers_with_logits_over_time_in_float32_without_gradient(recipe, load):
    teacher = load(recipe)
    said = teacher.answers(batch(recipe))
    assert said.logits.shape[1:] == (30, 3)
    assert said.logits.dtype == torch.float32
    assert not said.logits.requires_grad
    assert said.taps == {}


def test_it_says_the_same_twice_whatever_the_random_state(recipe, load):
    teacher = load(recipe)
    first = teacher.answers(batch(recipe)).logits
    torch.manual_seed(99)
    assert torch.equal(teacher.answers(batch(recipe)).logits, first)
    assert not torch.equal(teacher.answers(batch(recipe, view=1)).logits, first)


def test_it_is_the_same_when_it_is_loaded_again(recipe, load):
    first, second = load(recipe), load(recipe)
    assert first.digest == second.digest
    assert torch.equal(first.answers(batch(recipe)).logits, second.answers(batch(recipe)).logits)


def test_its_network_is_frozen_and_stays_as_it_is_while_a_student_trains(recipe, load, tmp_path, monkeypatch):
    asked = []
    step = loop.train_step

    def spy(task, state, batch):
        asked.append(task.teacher)
        assert state.student.training
        return step(task, state, batch)

    monkeypatch.setattr(loop, "train_step", spy)
    before = load(recipe).digest
    runs.train_recipe(recipe, tmp_path, "cpu")
    networks = [one.network for one in networks_of(asked[-1])]
    assert networks
    for network in networks:
        assert not any(module.training for module in network.modules())
        assert all(not p.requires_grad and p.grad is None for p in network.parameters())
    assert load(recipe).digest == before == asked[-1].digest


def networks_of(teacher):
    inside = [one for wrapped in teacher._wrapped() for one in networks_of(wrapped)]
    return [teacher, *inside] if isinstance(teacher, NetworkTeacher) else inside


def test_stored_answers_are_its_answers(recipe, load, tmp_path):
    cached = replace(recipe, cache=str(tmp_path / "cache"))
    store = open_store(cached, recipe.data.load().train, load(recipe), Reporter())
    assert store.digest == load(recipe).digest
    assert store.network is None
    said = load(recipe).answers(batch(recipe, view=1)).logits
    torch.testing.assert_close(store.answers(batch(recipe, view=1)).logits, said, rtol=2e-3, atol=1e-3)


def test_its_identity_is_plain_and_names_no_place(recipe, load, tmp_path, trained):
    text = json.dumps(load(recipe).identity)
    assert str(tmp_path) not in text
    assert trained not in text


def test_it_is_a_value(recipe, load, tmp_path):
    assert from_json(Recipe, to_json(recipe), "recipe") == recipe
    context = runs.contexts(tmp_path, torch.device("cpu"), Reporter())(recipe)
    resolved = runs.resolve(recipe, context)
    assert runs.resolve(resolved, context) == resolved
    assert load(resolved).digest == load(recipe).digest


def test_everywhere_reaches_the_recipes_in_it(recipe):
    def seeds(value):
        return [value.seed] if isinstance(value, Recipe) else [s for inner in value.inner() for s in seeds(inner)]

    changed = everywhere(recipe, lambda one: replace(one, seed=one.seed + 7))
    assert changed.seed == recipe.seed + 7
    assert seeds(changed.teacher) == [seed + 7 for seed in seeds(recipe.teacher)]


class ReadsTheHead(Method):
    """Asks for an activation that both kinds of networks in these tests have."""

    name = "reads-the-head"

    def __init__(self, tap):
        object.__setattr__(self, "teacher_taps", (tap,))


def test_taps_have_the_time_axis(recipe, load):
    network = load(recipe).network
    tap = "conv_acts.0" if hasattr(network, "conv_acts") else "2"
    reads = replace(recipe, method=ReadsTheHead(tap))
    if network is None:
        with pytest.raises(InputError, match="no activations"):
            load(reads)
        return
    said = load(reads).answers(batch(recipe))
    assert set(said.taps) == {tap}
    assert said.taps[tap].shape[:2] == said.logits.shape[:2]


def test_a_chain_of_those_that_wrap_is_trained_once_and_stored(taught, teacher, tmp_path):
    """The loop and the runs know nothing of them."""
    inner = wrapping.Thinned(FromRecipe(teacher), ratio=0.3)
    recipe = taught(KDSNNResponse(), teacher=wrapping.Panel((inner, FromRecipe(teacher))), cache=str(tmp_path / "c"))
    run = runs.train_recipe(recipe, tmp_path / "runs", "cpu")
    assert run.finished
    assert len(list((tmp_path / "runs").glob("teacher-*"))) == 1
    assert len(list((tmp_path / "c").glob("*/view-*"))) == 1  # no augmentation
    assert runs.train_recipe(run.recipe, tmp_path / "runs", "cpu").folder == run.folder
    thinner = replace(recipe, teacher=replace(recipe.teacher, members=(replace(inner, ratio=0.4),)))
    assert thinner.hash != recipe.hash
