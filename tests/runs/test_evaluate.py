"""A finished run, evaluated again."""

from dataclasses import replace

import pytest
import torch

from spikedistill.data import Augment
from spikedistill.errors import InputError
from spikedistill.evaluate.accuracy import accuracy
from spikedistill.optim import Phase
from spikedistill.runs import train as runs
from spikedistill.runs.evaluate import accuracy_of, evaluate_run
from spikedistill.runs.evaluation import evaluations, measured, record
from spikedistill.runs.opened import open_to_measure


@pytest.fixture
def run(student, stripes, tmp_path):
    return runs.train_recipe(replace(student, data=stripes(validation=30), epochs=3), tmp_path, "cpu")


def test_it_is_what_the_numbers_say(run):
    result = evaluate_run(run, device="cpu")
    for name in ("accuracy", "accuracy_by_step", "accuracy_cumulative"):
        stored = run.metrics[name]
        assert result[name] == (tuple(stored) if isinstance(stored, list) else stored)
    assert (result["steps"], result["split"], result["images"]) == (3, "test", 60)


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_at_steps_that_it_was_not_trained_with(run, steps):
    result = evaluate_run(run, steps, device="cpu")
    common = min(steps, 3)
    assert result["accuracy_cumulative"][:common] == tuple(run.metrics["accuracy_cumulative"][:common])
    assert len(result["accuracy_by_step"]) == result["steps"] == steps


@pytest.mark.parametrize(("split", "images"), [("train", 90), ("validation", 30), ("test", 60)])
def test_splits(run, split, images):
    result = evaluate_run(run, split=split, device="cpu")
    data = run.recipe.data
    assert result["images"] == images
    assert result["accuracy"] == accuracy(run.network(), getattr(data.load(), split), data, 3).final


def test_there_may_be_no_validation_split(student, tmp_path):
    with pytest.raises(InputError, match=r"holds out no validation split\. Allowed: test, train"):
        evaluate_run(runs.train_recipe(student, tmp_path, "cpu"), split="validation", device="cpu")


def test_the_data_may_lie_elsewhere(run, monkeypatch):
    roots = []
    read = type(run.recipe.data)._read
    monkeypatch.setattr(type(run.recipe.data), "_read", lambda data: roots.append(data.root) or read(data))
    evaluate_run(run, root="/elsewhere", device="cpu")
    evaluate_run(run, device="cpu")
    assert roots == ["/elsewhere", ""]


def test_an_edited_recipe_is_not_evaluated(student, tmp_path):
    """The weights would be run in another network than they were trained in."""
    run = runs.train_recipe(student, tmp_path, "cpu")
    path = run.folder / "recipe.json"
    path.write_text(path.read_text().replace('"threshold": 1.0', '"threshold": 0.5'))
    with pytest.raises(InputError, match=r"recipe\.json is not what it was trained by"):
        runs.open_run(run.folder)


def test_the_best_weights(run, student, tmp_path):
    """After the epoch that the numbers name, on the test split that it was judged by nowhere."""
    best = evaluate_run(run, device="cpu", weights="best")
    assert best["accuracy"] == pytest.approx(run.metrics["accuracy_best"])
    with pytest.raises(InputError, match=r"Unknown weights 'bset'\. Allowed: last, best"):
        evaluate_run(run, device="cpu", weights="bset")
    with pytest.raises(InputError, match="holds out no validation split, which best weights are chosen on"):
        evaluate_run(runs.train_recipe(student, tmp_path / "none", "cpu"), device="cpu", weights="best")


def test_what_the_room_offers():
    import spikedistill.runs as room

    assert room.train_recipe is runs.train_recipe
    assert room.evaluate_run is evaluate_run
    assert all(hasattr(room, name) for name in room.__all__)


def test_norms_estimated_anew_at_another_t(run):
    """Before is what it was; the run's folder is left as it is."""
    weights = (run.folder / "weights.safetensors").read_bytes()
    plain = evaluate_run(run, 6, device="cpu")
    anew = evaluate_run(run, 6, device="cpu", reestimate=60)
    assert anew["accuracy_before"] == plain["accuracy"]
    assert anew["reestimated"] == 60
    assert anew["accuracy_cumulative"] != plain["accuracy_cumulative"]
    assert evaluate_run(run, 6, device="cpu", reestimate=60) == anew
    assert (run.folder / "weights.safetensors").read_bytes() == weights
    with pytest.raises(InputError, match="reestimate must be a number of training images"):
        evaluate_run(run, reestimate=-1)


def test_all_that_is_measured_is_of_the_norms_that_were_asked_for(run, cli):
    """What is kept of a run as it is stays beside what norms estimated anew gave."""
    cli("evaluate", run.folder, "--steps", "6", "--what", "all", "--device", "cpu")
    plain = {one["what"]: one for one in evaluations(run)}
    cli("evaluate", run.folder, "--steps", "6", "--what", "all", "--reestimate", "60", "--device", "cpu")
    anew = {one["what"]: one for one in evaluations(run) if one.get("reestimated") == 60}
    assert anew.keys() == plain.keys()
    assert anew["energy"]["spikes"] != plain["energy"]["spikes"]
    kept = [one for one in evaluations(run) if "reestimated" not in one]
    assert {one["what"]: one for one in kept} == plain
    record(run, anew["energy"] | {"steps": 3})
    assert "energy" not in measured(run)


def test_answers_that_are_no_numbers(run):
    opened = open_to_measure(run, device="cpu")
    with torch.no_grad():
        opened.network.head.weight.fill_(1e38)
    with pytest.raises(InputError, match="does not answer with finite logits at T = 3"):
        accuracy_of(opened)


def test_a_kept_network_has_statistics_of_its_recipes_t(student, stripes, tmp_path):
    """Trained at T = 1 for half of the time and as an average: what is kept is what `reestimate` gives."""
    phases = (Phase(0.5, steps=1), Phase(1.0))
    recipe = replace(student, data=stripes(augment=Augment(crop=1)), phases=phases, ema=0.9, reestimate=60)
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    kept = evaluate_run(run, device="cpu")
    assert kept["accuracy_cumulative"] == tuple(run.metrics["accuracy_cumulative"])
    anew = evaluate_run(run, device="cpu", reestimate=60)
    assert anew["accuracy_cumulative"] == kept["accuracy_cumulative"]
    plain = runs.train_recipe(replace(recipe, reestimate=0), tmp_path, "cpu")
    ours, theirs = run.network().state_dict(), plain.network().state_dict()
    different = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    assert different == {name for name in ours if "running" in name}, "training is not touched"
    assert evaluate_run(plain, device="cpu", reestimate=60)["accuracy_by_step"] == kept["accuracy_by_step"]
