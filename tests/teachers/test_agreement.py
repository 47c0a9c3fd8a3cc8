"""A teacher that has no parameters which torch knows: its answers say whether it is the one of before."""

import sys
from dataclasses import replace

import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.methods import KDSNNResponse
from spikedistill.runs import train as runs
from spikedistill.teachers import FromModule, FromRecipe
from spikedistill.teachers.agreement import TOLERANCE, distance

WRAPPED = """
import torch
from torch import nn

class Wrapped(nn.Module):
    '''As one around a scikit-learn model: what it has learned is no parameter.'''
    def __init__(self):
        super().__init__()
        self.learned = torch.randn(192, 3, generator=torch.Generator().manual_seed(SEED)) * SCALE
    def forward(self, images):
        return images.flatten(1) @ self.learned
"""


@pytest.fixture
def learn(tmp_path, monkeypatch):
    """A function that puts a teacher of this seed in its place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def learn(seed, scale=1.0):
        sys.modules.pop("forest", None)
        sys.path_importer_cache.clear()
        source = WRAPPED.replace("SEED", str(seed)).replace("SCALE", f"float('{scale}')")
        (tmp_path / "forest.py").write_text(source + f"# {'x' * seed}\n")  # another size: not taken for the old one

    yield learn
    sys.modules.pop("forest", None)


@pytest.fixture
def recipe(student):
    return replace(student, method=KDSNNResponse(), teacher=FromModule("forest:Wrapped"), epochs=1)


def test_a_changed_teacher_is_noticed_when_the_finished_run_is_asked_for(recipe, learn, tmp_path):
    learn(1)
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    assert (run.folder / "teacher.safetensors").is_file()
    assert runs.train_recipe(recipe, tmp_path, "cpu").folder == run.folder
    learn(2)
    with pytest.raises(InputError, match=r"The teacher of .*student-.* answers otherwise than when that run began"):
        runs.train_recipe(recipe, tmp_path, "cpu")
    learn(3, scale=float("nan"))
    with pytest.raises(InputError, match="answers otherwise"):
        runs.train_recipe(recipe, tmp_path, "cpu")
    learn(1)
    assert runs.train_recipe(recipe, tmp_path, "cpu").folder == run.folder


def test_and_when_an_interrupted_one_is_resumed(recipe, learn, tmp_path):
    learn(1)
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    (run.folder / "metrics.json").unlink()
    learn(2)
    with pytest.raises(InputError, match="answers otherwise"):
        runs.train_recipe(recipe, tmp_path, "cpu")


def test_other_rounding_is_no_other_teacher(recipe, learn, tmp_path):
    learn(1)
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    learn(1, scale=1 + TOLERANCE["fp32"] / 2)
    assert runs.train_recipe(recipe, tmp_path, "cpu").folder == run.folder


def test_a_finished_run_does_not_need_it(recipe, learn, tmp_path):
    learn(1)
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    (tmp_path / "forest.py").unlink()
    sys.modules.pop("forest")
    assert runs.train_recipe(run.recipe, tmp_path, "cpu").folder == run.folder


def test_teachers_that_a_recipe_says_all_of_are_not_asked_again(taught, teacher, tmp_path):
    run = runs.train_recipe(taught(KDSNNResponse(), teacher=FromRecipe(teacher)), tmp_path, "cpu")
    assert not (run.folder / "teacher.safetensors").exists()


def test_distance():
    before = torch.ones(2, 3, 4)
    assert distance(before, before) == 0.0
    assert distance(before * 1.5, before) == pytest.approx(0.5)
    assert distance(before[:1], before) == float("inf")
    assert not distance(before * torch.nan, before) <= 1.0
