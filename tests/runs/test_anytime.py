"""Accuracy, energy and latency of finished runs against time, by the command."""

import base64
import io
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from spikedistill.data import Npz
from spikedistill.data.normalise import normalise
from spikedistill.errors import InputError
from spikedistill.evaluate.activity import observe
from spikedistill.evaluate.energy import TECHNOLOGIES
from spikedistill.evaluate.operations import exact
from spikedistill.models import WRN
from spikedistill.models.module import TorchModule
from spikedistill.runs import anytime, latency
from spikedistill.runs import train as runs
from spikedistill.runs.evaluate import evaluate_run
from spikedistill.runs.evaluation import evaluations
from spikedistill.runs.measures import measure
from spikedistill.runs.opened import open_to_measure


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(anytime, "SECONDS", 0.0)
    monkeypatch.setattr(latency, "SECONDS", 0.0)


@pytest.fixture
def run(student, tmp_path):
    return runs.train_recipe(student, tmp_path, "cpu")


def measured(run, what, **asked):
    return measure(what, open_to_measure(run, device="cpu", **asked))


@pytest.mark.parametrize("changes", [{}, {"model": WRN(10, 1), "epochs": 1}], ids=["convnet", "wrn"])
def test_every_t_is_a_run_of_its_own(student, tmp_path, changes):
    run = runs.train_recipe(replace(student, **changes), tmp_path, "cpu")
    found = measured(run, "anytime", images=20)
    assert (found["steps"], found["images"], found["images_counted"]) == (3, 60, 20)
    assert [one["steps"] for one in found["by_steps"]] == [1, 2, 3]
    for one in found["by_steps"]:
        t = one["steps"]
        assert one["accuracy"] == evaluate_run(run, t, device="cpu")["accuracy"]
        exact = measured(run, "energy", steps=t, images=20)["conventions"]["exact"]
        assert one["synops"] == pytest.approx(exact["synops"])
        assert one["energy_mj"] == pytest.approx(exact["energy_mj"]["45nm-fp32"])
        assert one["latency_ms"] > 0
    whole = measured(run, "energy", images=20)["conventions"]["exact"]
    last = found["by_steps"][-1]
    assert (last["synops"], last["energy_mj"]) == (whole["synops"], whole["energy_mj"]["45nm-fp32"])


def test_early_exit_ends_where_the_run_does(run):
    found = measured(run, "anytime")
    exits, by_steps = found["early_exit"], found["by_steps"]
    assert [one["threshold"] for one in exits] == sorted(one["threshold"] for one in exits)
    first = exits[0]
    assert (first["accuracy"], first["steps"]) == (by_steps[0]["accuracy"], 1.0)
    assert first["energy_mj"] == pytest.approx(by_steps[0]["energy_mj"])
    steps = [one["steps"] for one in exits]
    assert steps == sorted(steps)
    energies = [one["energy_mj"] for one in exits]
    assert energies == sorted(energies)
    assert all(by_steps[0]["energy_mj"] <= one <= by_steps[-1]["energy_mj"] + 1e-12 for one in energies)


def test_energy_of_an_early_exit_is_the_mean_over_images(run):
    """By a loop over images: each counts as the mean image in the steps that it takes."""
    opened = open_to_measure(run, device="cpu")
    found = measure("anytime", opened)
    energy = {one["steps"]: one["energy_mj"] for one in found["by_steps"]}
    sums = opened.logits.double().cumsum(0)
    for one in found["early_exit"]:
        total = 0.0
        for n in range(60):
            for t in range(1, 4):
                if float((sums[t - 1, n] / t).softmax(-1).max()) >= one["threshold"]:
                    break
            total += energy[t]
        assert one["energy_mj"] == pytest.approx(total / 60)


def test_one_step(student, teacher, tmp_path):
    """Of a spiking network at T = 1, and of an ANN whatever T is."""
    run = runs.train_recipe(replace(student, steps=1, epochs=1), tmp_path, "cpu")
    ann = runs.train_recipe(teacher, tmp_path, "cpu")
    for found in (measured(run, "anytime"), measured(ann, "anytime", steps=4)):
        (only,) = found["by_steps"]
        assert only["steps"] == found["steps"] == 1
        assert {one["steps"] for one in found["early_exit"]} == {1.0}
        assert {one["accuracy"] for one in found["early_exit"]} == {only["accuracy"]}


def test_many_steps_are_a_selection(run):
    found = measured(run, "anytime", steps=20, images=10)
    assert [one["steps"] for one in found["by_steps"]] == [1, 2, 4, 8, 16, 20]
    assert all(one["energy_mj"] is not None for one in found["early_exit"])


@pytest.fixture
def frames(student, teacher, tmp_path):
    """A spiking run and an ANN's on four frames of counts, two channels, three classes."""
    draw, file = np.random.default_rng(0), tmp_path / "frames.npz"
    labels = np.arange(60) % 3
    counts = draw.poisson(0.5, (60, 4, 2, 6, 6))
    for k, label in enumerate(labels):
        counts[k, :, :, 2 * label : 2 * label + 2] += 60
    both = {"train": slice(0, 40), "test": slice(40, 60)}
    arrays = {f"{name}_{kind}": values[part] for name, part in both.items() for kind, values in
              (("images", counts.astype(np.uint8)), ("labels", labels))}  # fmt: skip
    np.savez(file, **arrays)
    recipes = (replace(one, data=Npz(path=str(file)), steps=4, epochs=1) for one in (student, teacher))
    return [runs.train_recipe(recipe, tmp_path / "runs", "cpu") for recipe in recipes]


def test_of_frames_the_first_ones_are_a_run(frames):
    """Of an ANN too, which answers each frame."""
    for run in frames:
        data, network = run.recipe.data, run.network()
        test = data.load().test
        x = normalise(test.images, data.mean, data.std)
        found = measured(run, "anytime")
        assert [one["steps"] for one in found["by_steps"]] == [1, 2, 3, 4]
        for one in found["by_steps"]:
            t = one["steps"]
            with torch.no_grad():
                answers = network(x[:t], t).mean(0).argmax(-1)
                alone = exact(observe(network, [x[:t]], t))
            assert one["accuracy"] == pytest.approx(float((answers == test.labels).double().mean()))
            assert one["synops"] == pytest.approx(alone.acs + alone.macs)
        whole = measured(run, "energy")["conventions"]["exact"]["energy_mj"]["45nm-fp32"]
        assert found["by_steps"][-1]["energy_mj"] == whole
        assert measured(run, "latency")["steps"] == 4


def test_a_picture_of_frames_is_their_sum(frames):
    run = frames[0]
    found = measured(run, "sample", index=7)
    counts = run.recipe.data.load().test.images[7].long().sum(0)
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(found["picture"]))))
    expected = (counts * 255 // counts.max()).numpy()
    assert np.array_equal(picture[..., 0], expected[1]), "ON is red"
    assert np.array_equal(picture[..., 2], expected[0]), "OFF is blue"
    assert len(found["probabilities"]) == 4


OWN = """
import torch
from torch import nn

class Neurons(nn.Module):
    def forward(self, x):
        v, out = torch.zeros_like(x[0]), []
        for x_t in x:
            v = v + x_t
            s = (v >= 1.0).float()
            v = v - s
            out.append(s)
        return torch.stack(out)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.neurons, self.head = nn.Linear(192, 16), Neurons(), nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.neurons(self.hidden(x.flatten(2))))

class Backwards(Net):
    def forward(self, x):
        return super().forward(x) + super().forward(x).cumsum(0).flip(0)
"""


@pytest.fixture
def own(student, tmp_path, monkeypatch):
    """A function that trains a network of the user's, of that class."""
    (tmp_path / "own_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_nets", raising=False)

    def train(name, steps):
        recipe = replace(student, model=TorchModule(f"own_nets:{name}"), epochs=1, steps=steps)
        return runs.train_recipe(recipe, tmp_path / "runs", "cpu")

    return train


def test_a_network_of_ones_own_is_counted_at_each_t(own):
    run = own("Net", 3)
    found = measured(run, "anytime", images=10)
    for one in found["by_steps"]:
        exact = measured(run, "energy", steps=one["steps"], images=10)["conventions"]["exact"]
        assert one["synops"] == pytest.approx(exact["synops"])
    assert all(one["energy_mj"] is not None for one in found["early_exit"])
    many = measured(run, "anytime", steps=18, images=10)["early_exit"]
    assert many[0]["energy_mj"] == pytest.approx(found["by_steps"][0]["energy_mj"])
    assert any(one["energy_mj"] is None for one in many) or {one["steps"] for one in many} <= {1.0, 18.0}


def test_a_network_that_looks_ahead_is_refused(own):
    with pytest.raises(InputError, match="answers otherwise in its first 1 steps where more follow"):
        measured(own("Backwards", 3), "anytime", images=10)


def test_latency(run):
    found = measured(run, "latency")
    assert (found["device"], found["precision"], found["threads"]) == ("cpu", "fp32", torch.get_num_threads())
    assert [one["batch"] for one in found["batches"]] == [1, 8, 64, 256], "more than the 60 images that there are"
    assert found["left_out"] == []
    for one in found["batches"]:
        assert 0 < one["ms_p10"] <= one["ms"] <= one["ms_p90"]
        assert one["images_per_second"] == pytest.approx(1000 * one["batch"] / one["ms"])


def test_batches_that_take_too_long_are_left_out(run, monkeypatch):
    monkeypatch.setattr(latency, "time_passes", lambda ask, *_: latency_times(ask))

    def latency_times(ask):
        from spikedistill.evaluate.latency import Times

        return Times((1000.0 * ask().shape[1],))  # a second for each image

    found = measured(run, "latency")
    assert [one["batch"] for one in found["batches"]] == [1, 8]
    assert found["left_out"] == [64, 256]

    def too_large(ask):
        if ask().shape[1] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return latency_times(ask)

    monkeypatch.setattr(latency, "time_passes", lambda ask, *_: too_large(ask))
    assert measured(run, "latency")["left_out"] == [8, 64, 256]


def test_what_is_printed_and_kept(run, cli):
    code, out, err = cli("evaluate", run.folder, "--device", "cpu", "--what", "anytime,latency", "--images", "10")
    assert (code, err) == (0, "")
    for said in (
        "exact, 45nm-fp32, mean over 10 images",
        "Early exit",
        "mean steps",
        "images a second",
        "cpu, 1 threads",
    ):
        assert said in out
    kept = {one["what"]: one for one in evaluations(run)}
    assert kept.keys() == {"anytime", "latency"}
    json.dumps(kept, allow_nan=False)
    assert TECHNOLOGIES[kept["anytime"]["technology"]].mac == 4.6
