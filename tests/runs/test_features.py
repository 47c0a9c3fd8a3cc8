"""Features and outputs of finished runs, their teachers beside them."""

import json
import shutil

import numpy as np
import pytest
import torch

from spikedistill.cli.features_text import print_outputs
from spikedistill.data.normalise import normalise
from spikedistill.errors import InputError
from spikedistill.evaluate.features import embedded
from spikedistill.methods import DefaultKD, VanillaKD
from spikedistill.methods.kdsnn import KDSNNResponse
from spikedistill.runs import train as runs
from spikedistill.runs.evaluation import evaluations
from spikedistill.runs.measures import measure
from spikedistill.runs.opened import open_to_measure
from spikedistill.teachers import FromRecipe, Pruned


def found_of(what, run, **asked):
    return measure(what, open_to_measure(run, device="cpu", **asked))


@pytest.fixture
def run(taught, tmp_path):
    return runs.train_recipe(taught(KDSNNResponse(), precision="fp32"), tmp_path, "cpu")


def seen_by_the_head(run, images):
    """What enters the head, by a hook of torch's own."""
    data, network, seen = run.recipe.data, run.network(), []
    network.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        logits = network(normalise(images, data.mean, data.std), 3)
    return seen[0].mean(0).flatten(1), logits


def test_features_are_what_the_classifier_reads(run):
    found = found_of("features", run, images=40)
    test = run.recipe.data.load().test
    index = torch.arange(40) * 60 // 40
    features, _ = seen_by_the_head(run, test.take(index))
    points, perplexity = embedded(features)
    assert (found["layer"], found["perplexity"], found["images"]) == ("head.input", perplexity, 40)
    assert np.allclose([point[:2] for point in found["points"]], points, atol=1e-3)
    assert [point[2] for point in found["points"]] == test.labels[index].tolist()
    teacher = found["teacher"]
    assert (teacher["layer"], len(teacher["points"])) == ("head.input", 40)
    assert teacher["points"] != found["points"]
    assert found_of("features", run, images=40) == found
    json.dumps(found, allow_nan=False)
    other = found_of("features", run, images=40, layer="conv_acts.0")
    assert other["layer"] == "conv_acts.0"
    assert other["points"] != found["points"]
    assert other["teacher"] == teacher


def test_features_that_there_are_not(run, student, tmp_path):
    with pytest.raises(InputError, match="4 are too few"):
        found_of("features", run, images=4)
    with pytest.raises(InputError, match=r"has no module 'haed' to tap. Did you mean 'head'"):
        found_of("features", run, layer="haed")
    with pytest.raises(InputError, match=r"has no module 'head.bias' to tap"):
        found_of("features", run, layer="head.bias")
    opened = open_to_measure(run, device="cpu", layer="stages")
    opened.network.stages = ("conv_acts.0", "acts.0")
    with pytest.raises(InputError, match=r"'stages' names 2 layers. Name one of them: conv_acts.0, acts.0"):
        measure("features", opened)
    assert found_of("features", runs.train_recipe(student, tmp_path / "alone", "cpu"), images=10)["teacher"] is None
    for folder in tmp_path.glob("teacher-*"):
        shutil.rmtree(folder)
    found = found_of("features", run, images=10)
    assert "The teacher teacher is not in" in found["teacher"]["problem"]
    assert len(found["points"]) == 10


def test_outputs_by_class(run, tmp_path):
    found = found_of("outputs", run)
    test = run.recipe.data.load().test
    _, logits = seen_by_the_head(run, test.first(60))
    probabilities = logits.double().mean(0).softmax(-1).numpy()
    for true in range(3):
        assert np.allclose(found["by_class"][true], probabilities[20 * true : 20 * true + 20].mean(0), atol=1e-5)
    assert (found["images"], found["classes"]) == (60, 3)
    assert found["teacher"]["name"] == "FromRecipe teacher"
    assert np.argmax(found["teacher"]["by_class"][1]) == 1
    assert found["teacher"]["by_class"] != found["by_class"]
    some = found_of("outputs", run, images=6)
    assert some["images"] == 6
    assert np.allclose(some["by_class"][2], probabilities[[40, 50]].mean(0), atol=1e-5)
    for folder in tmp_path.glob("teacher-*"):
        shutil.rmtree(folder)
    assert "is not in" in found_of("outputs", run)["teacher"]["problem"]


def test_outputs_of_other_teachers(run, taught, student, teacher, tmp_path):
    """A pruned one answers otherwise than the whole; the virtual one of default-KD is its own definition."""
    pruned = taught(VanillaKD(), teacher=Pruned(FromRecipe(teacher), 0.6), precision="fp32", epochs=1)
    found = found_of("outputs", runs.train_recipe(pruned, tmp_path, "cpu"))
    assert found["teacher"]["by_class"] != found_of("outputs", run)["teacher"]["by_class"]
    assert found["teacher"]["name"].startswith("Pruned")
    virtual = runs.train_recipe(
        taught(DefaultKD(correct_prob=0.9, temperature=2.0), teacher=None, epochs=1), tmp_path, "cpu"
    )
    shares = found_of("outputs", virtual)["teacher"]["by_class"]
    label, other = 0.9**0.5, 0.05**0.5
    assert np.allclose(shares, np.where(np.eye(3), label, other) / (label + 2 * other), atol=1e-6)
    assert found_of("outputs", runs.train_recipe(student, tmp_path, "cpu"))["teacher"] is None
    assert found_of("features", virtual, images=10)["teacher"] is None


def test_the_command(run, cli):
    words = ("evaluate", run.folder, "--device", "cpu", "--what", "features,outputs")
    code, out, err = cli(*words, "--images", "30")
    assert (code, err) == (0, "")
    for word in (
        "head.input",
        "9.67",
        "The perplexity is lowered from 30",
        "of the same class",
        "true class",
        "teacher",
    ):
        assert word in out
    assert "\\x" not in out
    assert [one["what"] for one in evaluations(run)] == ["features", "outputs"]
    code, out, _ = cli(*words, "--images", "4")
    assert code == 0
    assert "No features: t-SNE places images by their neighbours; 4 are too few." in out
    code, _, err = cli("evaluate", run.folder, "--what", "features", "--images", "4")
    assert code == 2
    assert "4 are too few" in err
    code, out, _ = cli(*words, "--layer", "conv_acts.0", "--json")
    (entry,) = json.loads(out)
    assert entry["features"]["layer"] == "conv_acts.0"
    assert entry["features"]["images"] == 60


def test_of_many_classes_the_least_certain_are_printed(capsys):
    shares = [[(k + 1) / 100 if k == j else 0.001 for j in range(30)] for k in range(30)]
    found = {"steps": 2, "images": 60, "data": {"name": "many", "samples": 60}, "split": "test"}
    print_outputs(found | {"by_class": [*shares[:29], None], "teacher": {"problem": "gone"}})
    out = capsys.readouterr().out
    assert "The 10 of 29 classes that are given least" in out
    assert "10.00%" in out
    assert "11.00%" not in out
    assert "The teacher is not shown: gone" in out
