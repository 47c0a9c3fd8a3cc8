"""A twin in a run: its weights are the start, and in the recipe; it is its own teacher."""

import json
import random
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import plain_networks
from spikedistill.errors import InputError
from spikedistill.methods import KDSNNResponse
from spikedistill.models import Twin
from spikedistill.neurons import IF, LIF, BatchNorm, ReLU
from spikedistill.recipe import Recipe
from spikedistill.runs import train as runs
from spikedistill.starts import Calibrated, from_ann
from spikedistill.teachers import FromModule

TARGET = "zoo_of_trained:net"


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module whose `net` makes a network with stored weights."""
    zoo = types.ModuleType("zoo_of_trained")
    monkeypatch.setitem(sys.modules, "zoo_of_trained", zoo)
    torch.manual_seed(1)
    stored = plain_networks.stripes().state_dict()

    def net() -> nn.Module:
        module = plain_networks.stripes()
        module.load_state_dict(stored)
        return module

    zoo.net, zoo.stored = net, stored  # type: ignore[attr-defined]
    return zoo


def test_the_module_is_start_and_teacher_at_once(student: Recipe, zoo: Any, tmp_path: Path) -> None:
    recipe = replace(student, model=Twin(TARGET), method=KDSNNResponse(), teacher=FromModule(TARGET), epochs=1)
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    kept = json.loads((run.folder / "recipe.json").read_text())
    assert kept["model"]["target"] == TARGET
    assert len(kept["model"]["digest"]) == 64
    assert "norm" not in kept
    assert kept["neuron"]["kind"] == "IF"
    network = runs.open_run(run.folder).network()
    state = network.own_state_dict()  # type: ignore[operator]
    module = zoo.net()
    module.load_state_dict(state)
    assert not torch.equal(state["stem.weight"], zoo.stored["stem.weight"])
    assert runs.train_recipe(recipe, tmp_path, "cpu").folder == run.folder


def test_nothing_trained_is_the_module(student: Recipe, zoo: Any, tmp_path: Path) -> None:
    """With a learning rate next to nothing and ReLU, its accuracy is the module's."""
    recipe = replace(student, model=Twin(TARGET), neuron=ReLU(), epochs=1)
    recipe = replace(recipe, optimizer=replace(recipe.optimizer, learning_rate=1e-30))
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    weights = run.network().own_state_dict()  # type: ignore[operator]
    for name, value in zoo.stored.items():
        if "running" not in name:
            torch.testing.assert_close(weights[name], value, atol=1e-20, rtol=0.0, msg=name)
    assert recipe.time_steps == 1


def test_a_twin_may_start_from_its_ann_too(student: Recipe, zoo: Any, tmp_path: Path) -> None:
    """The weights of its twin with ReLU, trained first, scaled to its thresholds: then it begins with these."""
    base = replace(student, model=Twin(TARGET), neuron=IF(reset=None), epochs=1, start=(Calibrated(images=60),))
    run = runs.train_recipe(from_ann(replace(base, method=KDSNNResponse())), tmp_path, "cpu")
    (ann,) = tmp_path.glob("student-ann-*")
    assert runs.open_run(ann).network().state_dict().keys() == run.network().state_dict().keys()
    zoo.stored["head.bias"] += 1  # the start was the ANN's, but the module is another one now
    again = runs.train_recipe(from_ann(replace(base, method=KDSNNResponse())), tmp_path, "cpu")
    assert again.folder != run.folder


def test_what_is_in_the_hash(student: Recipe, zoo: Any) -> None:
    recipe = replace(student, model=Twin(TARGET))
    assert recipe.hash != replace(recipe, neuron=LIF()).hash
    assert recipe.hash == replace(recipe, norm=BatchNorm(start=0.5)).hash
    resolved = recipe.model.resolve(0)
    assert resolved == recipe.model.resolve(5) == resolved.resolve(0) != recipe.model
    zoo.stored["head.bias"] += 1
    assert recipe.model.resolve(0) != resolved
    with pytest.raises(InputError, match="has other weights than when this run began"):
        resolved.resolve(0)
    del zoo.net
    assert resolved.resolve(0) == resolved
    with pytest.raises(InputError, match="has no 'net'"):
        recipe.model.resolve(0)


def test_weights_that_are_drawn_follow_the_recipes_seed(student: Recipe, zoo: Any) -> None:
    zoo.net = plain_networks.stripes
    before = torch.get_rng_state()
    assert Twin(TARGET).resolve(0) == Twin(TARGET).resolve(0) != Twin(TARGET).resolve(1)
    assert torch.equal(torch.get_rng_state(), before)

    def unsteady() -> nn.Module:
        module = plain_networks.stripes()
        nn.init.constant_(module.head.bias, random.random())
        return module

    zoo.net = unsteady
    with pytest.raises(InputError, match="has other weights in every call, so no run of it could be resumed"):
        Twin(TARGET).resolve(0)
