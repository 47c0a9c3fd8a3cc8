"""Finished runs on corrupted images: by the definition, beside each other, and what does not fit their data."""

import base64
import io
import json
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from spikedistill.cli.robustness_text import print_robustness
from spikedistill.data.dataset import Dataset
from spikedistill.data.noisy import with_noise
from spikedistill.data.normalise import normalise
from spikedistill.data.own import OwnDataset
from spikedistill.data.split import TensorSplit
from spikedistill.evaluate.corruptions import corruptions
from spikedistill.models import Network
from spikedistill.randomness import Draws
from spikedistill.runs import train as runs
from spikedistill.runs.evaluation import evaluations
from spikedistill.runs.measures import measure
from spikedistill.runs.opened import open_to_measure


def robustness(run, **asked):
    return measure("robustness", open_to_measure(run, device="cpu", **asked))


@pytest.fixture
def run(student, tmp_path):
    return runs.train_recipe(replace(student, epochs=2, precision="fp32"), tmp_path, "cpu")


def test_it_is_what_the_network_answers(run, monkeypatch):
    """Counted once more, image by image; and the same in other batches."""
    found = robustness(run, images=12)
    data, network = run.recipe.data, run.network()
    test = data.load().test
    index = torch.arange(12) * 5
    kinds = {kind.name: kind for kind in corruptions((3, 8, 8))[0]}
    assert [(one["name"], one["severity"]) for one in found["corruptions"]] == [
        (name, severity) for name, kind in kinds.items() for severity in range(1, len(kind.values) + 1)
    ]

    def right(images, labels):
        with torch.no_grad():
            return int((network(normalise(images, data.mean, data.std), 3).mean(0).argmax(-1) == labels).sum())

    shares = {(one["name"], one["severity"]): 0 for one in found["corruptions"]}
    clean = 0
    for i in index.split(1):
        images, labels = test.take(i), test.labels[i]
        clean += right(images, labels)
        for name, severity in shares:
            worse = kinds[name].apply(images, kinds[name].values[severity - 1], Draws(0, 0, i))
            shares[name, severity] += right(worse, labels)
    assert found["clean"] == clean / 12
    assert {(one["name"], one["severity"]): round(12 * one["accuracy"], 6) for one in found["corruptions"]} == shares
    assert len(set(shares.values())) > 3
    assert (found["images"], found["severities"], found["data"]["samples"]) == (12, "CIFAR-10-C", 60)
    monkeypatch.setattr("spikedistill.runs.robustness.AT_A_TIME", 7)
    assert robustness(run, images=12) == found
    json.dumps(found, allow_nan=False)


def test_the_pictures(run):
    found = robustness(run, images=2)
    names = [one["name"] for one in found["samples"]]
    assert names == ["clean", *dict.fromkeys(one["name"] for one in found["corruptions"])]
    assert {one["severity"] for one in found["samples"]} == {0, 3}
    first = run.recipe.data.load().test.first(1)[0].permute(1, 2, 0)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(found["samples"][0]["picture"])))), first)


def test_under_attack(run):
    """FGSM and PGD by autograd through the definitions in double precision, image by image."""
    found = robustness(run, images=16)
    data, network = run.recipe.data, run.network().double()
    mean, std = (torch.tensor(value).double().view(-1, 1, 1) for value in (data.mean, data.std))
    test, rights = data.load().test, {}

    def logits(x):
        return network((x - mean) / std, 3).mean(0)

    for i in (torch.arange(16) * 60 // 16).split(1):
        x, label = test.take(i).double() / 255, test.labels[i]
        start = 2 * Draws(0, 0, i).uniform("pgd-start", 3, 8, 8) - 1
        for epsilon in (2 / 255, 4 / 255, 8 / 255):
            for name, iterations, step, y in (("FGSM", 1, epsilon, x), ("PGD", 10, epsilon / 4, x + epsilon * start)):
                at = y.clamp(0, 1)
                for _ in range(iterations):
                    at = at.detach().requires_grad_(True)
                    torch.nn.functional.cross_entropy(logits(at), label).backward()
                    at = torch.minimum(torch.maximum(at + step * at.grad.sign(), x - epsilon), x + epsilon).clamp(0, 1)
                key = (name, round(epsilon, 5), iterations)
                rights[key] = rights.get(key, 0) + int(logits(at).argmax() == label)
    shares = {(a["name"], round(a["epsilon"], 5), a["iterations"]): a["accuracy"] for a in found["attacks"]}
    assert shares.keys() == rights.keys()
    for key, share in shares.items():  # a sign may differ where a gradient is as small as an error of rounding
        assert share == pytest.approx(rights[key] / 16, abs=1 / 16 + 1e-9), key
    assert shares["PGD", round(8 / 255, 5), 10] < found["clean"]
    assert all(weight.requires_grad for weight in run.network().parameters())


class Steep(Network):
    """A network whose answers do not depend smoothly on its images, or not at all."""

    def __init__(self, slope):
        super().__init__()
        self.slope = slope
        self.head = torch.nn.Linear(3, 3)

    def forward(self, images, steps=None):
        seen = (images > 0).float() if self.slope is None else self.slope * images
        return self.head(seen.mean((2, 3)))[None]


@pytest.mark.parametrize(("slope", "why"), [(None, "no gradient by its images"), (0.0, "is 0 everywhere")])
def test_without_a_gradient_there_is_no_attack(run, slope, why):
    opened = replace(open_to_measure(run, device="cpu", images=5), network=Steep(slope))
    found = measure("robustness", opened)
    assert found["attacks"] == []
    (left_out,) = (one["why"] for one in found["left_out"] if one["name"] == "FGSM and PGD")
    assert why in left_out
    assert len(found["corruptions"]) == 33
    assert opened.network.head.weight.requires_grad


@dataclass(frozen=True)
class Gestures(OwnDataset):
    """Frames of events: counts in three places, one for each class."""

    name: ClassVar[str] = "gestures"

    def _read(self):
        draw = np.random.default_rng(0)
        labels = np.arange(60) % 3
        frames = draw.poisson(0.3, (60, 4, 2, 6, 6))
        for k, label in enumerate(labels):
            frames[k, :, :, 2 * label : 2 * label + 2] += draw.poisson(2, (4, 2, 2, 6))
        frames = frames.astype(np.uint8)
        return (frames[:40], labels[:40]), (frames[40:], labels[40:])


def test_frames_of_events(student, tmp_path, cli):
    recipe = replace(student, data=Gestures(), steps=4, epochs=1, batch_size=20)
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    found = robustness(run)
    assert {one["group"] for one in found["corruptions"]} == {"events"}
    assert len(found["corruptions"]) == 15
    assert (found["images"], found["attacks"], found["severities"]) == (20, [], "of this library")
    assert {one["name"] for one in found["left_out"]} == {"corruption", "kdsnn", "FGSM and PGD"}
    assert [one["name"] for one in found["samples"]][:2] == ["clean", "events-dropped"]


@dataclass(frozen=True)
class Grainy(Dataset):
    """The stripes with noise."""

    name: ClassVar[str] = "grainy"
    abstract: ClassVar[bool] = True

    plain: Dataset | None = None

    train_counts: ClassVar[tuple[int, ...]] = (40, 40, 40)
    test_counts: ClassVar[tuple[int, ...]] = (20, 20, 20)
    shape: ClassVar[tuple[int, ...]] = (3, 8, 8)
    mean: ClassVar[tuple[float, ...]] = (0.4, 0.45, 0.5)
    std: ClassVar[tuple[float, ...]] = (0.2, 0.25, 0.3)

    def without_noise(self):
        return self.plain

    def _read(self):
        splits = self.plain.load()
        return tuple(
            TensorSplit(with_noise(split.images, 0.05, Draws(9, 0, torch.arange(len(split))), name), split.labels)
            for name, split in (("train", splits.train), ("test", splits.test))
        )


def test_a_run_that_learned_on_noise_is_asked_about_images_without(run, stripes, capsys):
    plain = robustness(run, images=30)
    opened = open_to_measure(run, device="cpu", images=30)
    data = Grainy(plain=stripes())
    noisy = replace(opened, data=data, splits=data.load())
    assert not torch.equal(noisy.part.first(2), opened.part.first(2))
    found = measure("robustness", noisy)
    assert found["data"].pop("without_noise")
    assert found == plain, "the same network, asked about the same images"
    print_robustness(found | {"data": found["data"] | {"without_noise": True}})
    assert "of stripes, without the noise that it learned with" in capsys.readouterr().out


def test_the_command(run, tmp_path, cli):
    other = runs.train_recipe(replace(run.recipe, seed=4), tmp_path, "cpu")
    code, out, err = cli("evaluate", run.folder, "--device", "cpu", "--what", "robustness", "--images", "20")
    assert (code, err) == (0, "")
    for word in (
        "20 of 60 test images of stripes",
        "T = 3",
        "FGSM",
        "PGD-10",
        "8/255",
        "upper bound",
        "gaussian-blur",
        "CIFAR-10-C",
        "Left out: events",
        "mean",
    ):
        assert word in out
    (kept,) = evaluations(run)
    assert kept["what"] == "robustness"
    share = kept["corruptions"][0]["accuracy"]
    assert f"{share:.2%}" in next(line for line in out.splitlines() if line.startswith("gaussian-noise"))
    words = ("evaluate", run.folder, other.folder, "--device", "cpu", "--what", "accuracy,robustness", "--images", "20")
    code, out, _ = cli(*words)
    assert code == 0
    for number, one in enumerate((run, other), 1):
        assert f"run {number}: {one.folder}, trained on stripes; T = 3, 20 of 60 test images of stripes" in out
    (line,) = (line for line in out.splitlines() if line.startswith("gaussian-noise"))
    means = []
    for one in (run, other):
        shares = [e["accuracy"] for e in evaluations(one)[-1]["corruptions"] if e["name"] == "gaussian-noise"]
        means.append(sum(shares) / 5)
        assert f"{means[-1]:.2%}" in line
    assert "mean ± sd of run 1, run 2" in out
    assert f"{100 * np.mean(means):.2f} ± {100 * np.std(means, ddof=1):.2f} %" in line
    assert out.count("Left out:") == 1
    assert "mean of corruption" in out
    assert "PGD-10 8/255" in out
    code, out, _ = cli(*words, "--json")
    assert [entry["robustness"]["images"] for entry in json.loads(out)] == [20, 20]
