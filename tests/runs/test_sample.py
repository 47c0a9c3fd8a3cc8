"""One image in a finished run's network, by the command."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import softmax

from spikedistill.data.normalise import normalise
from spikedistill.errors import InputError
from spikedistill.runs import train as runs
from spikedistill.runs.evaluation import evaluations
from spikedistill.runs.measures import measure
from spikedistill.runs.opened import open_to_measure


@pytest.fixture
def run(student, tmp_path):
    return runs.train_recipe(student, tmp_path, "cpu")


def sample(run, **asked):
    return measure("sample", open_to_measure(run, device="cpu", **asked))


def test_it_is_that_image_and_its_answer(run):
    found, data = sample(run, index=25), run.recipe.data
    test = data.load().test
    assert (found["index"], found["label"], found["steps"]) == (25, int(test.labels[25]), 3)
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(found["picture"]))))
    assert np.array_equal(picture, test.images[25].permute(1, 2, 0).numpy())
    with torch.no_grad():
        logits = run.network()(normalise(test.images[25:26], data.mean, data.std), 3)[:, 0].double().numpy()
    for t, shares in enumerate(found["probabilities"], 1):
        assert shares == pytest.approx(softmax(logits[:t].mean(0)), abs=1e-6)
    assert len(found["probabilities"]) == 3


def test_spikes_are_those_of_the_layers_by_step(run):
    found = sample(run, steps=5)
    assert [(one["layer"], one["neurons"], one["shown"]) for one in found["layers"]] == [
        ("conv_acts.0.act", 256, 64),
        ("acts.0.act", 8, 8),
    ]
    for one in found["layers"]:
        assert len(one["by_step"]) == 5
        assert all(0 <= t < 5 and 0 <= i < one["shown"] for t, i in one["spikes"])
    small = found["layers"][1]
    counts = np.bincount([t for t, _ in small["spikes"]], minlength=5)
    assert counts.tolist() == small["by_step"], "all of its neurons are shown"
    assert sum(small["by_step"]) + sum(found["layers"][0]["by_step"]) > 0


@pytest.mark.parametrize("index", [-1, 60, 10**12])
def test_an_image_that_is_not_there(run, cli, index):
    with pytest.raises(InputError, match=f"index is {index}, and the test split of stripes has the images 0 to 59"):
        sample(run, index=index)
    code, out, err = cli("evaluate", run.folder, "--device", "cpu", "--what", "sample", f"--index={index}")
    assert (code, out) == (2, "")
    assert "has the images 0 to 59" in err


def test_an_ann_has_no_spiking_layers(teacher, tmp_path, cli):
    run = runs.train_recipe(teacher, tmp_path, "cpu")
    found = sample(run)
    assert found["layers"] == []
    assert len(found["probabilities"]) == found["steps"] == 1
    code, out, _ = cli("evaluate", run.folder, "--device", "cpu", "--what", "sample")
    assert code == 0
    assert "The network has no spiking layers." in out


def test_what_is_printed_and_kept(run, cli):
    """Samples of several images stand beside each other."""
    for index in ("3", "4", "3"):
        code, out, err = cli("evaluate", run.folder, "--device", "cpu", "--what", "sample", "--index", index)
        assert (code, err) == (0, "")
        assert f"image {index} of the test split of stripes, class 0" in out
    assert "conv_acts.0.act  256" in out
    assert [one["index"] for one in evaluations(run)] == [4, 3]
    json.dumps(evaluations(run), allow_nan=False)
    code, out, _ = cli("evaluate", run.folder, "--device", "cpu", "--what", "sample", "--steps", "40")
    assert code == 0
    assert "..." in out
    answers = out.partition("Answer after t steps")[2].splitlines()[3:]
    assert 2 <= len(answers) <= 16
    assert (answers[0].split()[0], answers[-1].split()[0]) == ("1", "40")
