"""Every start that is found goes through the loop: killed between two steps, and resumed to the same weights."""

from dataclasses import MISSING, fields, replace

import pytest

from spikedistill.optim import SGD
from spikedistill.recipe import Start
from spikedistill.runs import train as runs
from spikedistill.starts import Weights, ann_of
from spikedistill.teachers import FromRecipe
from spikedistill.training import loop
from spikedistill.values.kinds import shipped_kinds


@pytest.fixture
def ann(student):
    return replace(ann_of(student), name="ann", optimizer=SGD(0.05))


@pytest.mark.parametrize("kind", shipped_kinds(Start).values(), ids=lambda kind: kind.__name__)
def test_every_start(kind, student, ann, augmented, tmp_path, outcome, interrupted, monkeypatch):
    by_name = {"source": FromRecipe(ann)}
    start = kind(**{f.name: by_name[f.name] for f in fields(kind) if f.default is MISSING})
    recipe = replace(student, data=augmented, start=(start,))
    whole = runs.train_recipe(recipe, tmp_path / "whole", "cpu")
    assert outcome(interrupted(recipe, tmp_path / "parts", monkeypatch, 3)) == outcome(whole)
    plain = runs.train_recipe(replace(recipe, start=()), tmp_path / "whole", "cpu")
    assert outcome(plain)[0] != outcome(whole)[0]


def test_a_run_that_goes_on_needs_the_networks_of_its_start_no_more(
    student, ann, tmp_path, outcome, interrupt, monkeypatch, Killed
):
    recipe = replace(student, start=(Weights(FromRecipe(ann)),))
    whole = runs.train_recipe(recipe, tmp_path / "whole", "cpu")
    runs.train_recipe(ann, tmp_path / "gone", "cpu")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "SECONDS_BETWEEN_SAVES", -1.0)
        interrupt(patch, 3)
        with pytest.raises(Killed):
            runs.train_recipe(recipe, tmp_path / "gone", "cpu")
    (folder,) = (tmp_path / "gone").glob("ann-*")
    folder.rename(tmp_path / "elsewhere")
    assert outcome(runs.train_recipe(recipe, tmp_path / "gone", "cpu")) == outcome(whole)
    assert not list((tmp_path / "gone").glob("ann-*"))
