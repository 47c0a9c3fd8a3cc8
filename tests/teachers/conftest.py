"""Recipes that are taught, and what a run makes of their teachers before it trains."""

from dataclasses import replace

import pytest
import torch

from spikedistill.machine.progress import Reporter
from spikedistill.methods import KDSNNResponse
from spikedistill.optim import AdamW
from spikedistill.runs import train as runs
from spikedistill.teachers import FromRun, NetworkTeacher
from spikedistill.teachers.stored import open_store

CPU = torch.device("cpu")


@pytest.fixture
def load(tmp_path):
    """A function that loads the teacher of a recipe, as a run does; what it trains is in the test's folder."""

    def load(recipe):
        context = runs.contexts(tmp_path, CPU, Reporter())(recipe)
        return runs.resolve(recipe, context).teacher.load(context)

    return load


@pytest.fixture
def some():
    """A function that makes a batch of a split's first images, as they are."""

    def some(split, count=6):
        return next(split.in_order(count))

    return some


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """Folder of teachers' runs, which the tests of a file share."""
    return tmp_path_factory.mktemp("teachers")


@pytest.fixture
def trained(teacher, teachers):
    """The folder of a trained teacher."""
    return str(runs.train_recipe(teacher, teachers, "cpu").folder)


@pytest.fixture
def recipe(taught, augmented, trained):
    """A distillation from a run's folder; 120 images in batches of 50 leave 20 out."""
    return taught(KDSNNResponse(), data=augmented, teacher=FromRun(trained), optimizer=AdamW(1e-2), batch_size=50)


@pytest.fixture
def cached(recipe, tmp_path):
    """The same on stored answers."""
    return replace(recipe, cache=str(tmp_path / "cache"))


@pytest.fixture
def opened(load):
    """A function that opens the stored answers of a recipe, as a run does."""
    return lambda recipe: open_store(recipe, recipe.data.load().train, load(recipe), Reporter())


@pytest.fixture
def filled(opened):
    """A function that opens them and has all views stored."""

    def fill(recipe):
        store = opened(recipe)
        for view in range(store.views):
            store.view(view)
        return store

    return fill


@pytest.fixture
def asked(monkeypatch):
    """The numbers of images in all passes of teachers, but for those of two, with which they are only looked at."""
    passes = []
    answers = NetworkTeacher.answers

    def count(self, batch):
        if len(batch.index) > 2:
            passes.append(len(batch.index))
        return answers(self, batch)

    monkeypatch.setattr(NetworkTeacher, "answers", count)
    return passes
