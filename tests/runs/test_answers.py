"""Calibration, confusion and agreement of finished runs, by the command."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax

from spikedistill.data.normalise import normalise
from spikedistill.errors import InputError
from spikedistill.methods.kdsnn import KDSNNResponse
from spikedistill.runs import latency
from spikedistill.runs import train as runs
from spikedistill.runs.evaluate import evaluate_run
from spikedistill.runs.evaluation import evaluations
from spikedistill.runs.measures import measure
from spikedistill.runs.opened import open_to_measure
from spikedistill.teachers import FromModule


def measured(run, what, **asked):
    return measure(what, open_to_measure(run, device="cpu", **asked))


@pytest.fixture
def run(taught, tmp_path):
    return runs.train_recipe(taught(KDSNNResponse()), tmp_path, "cpu")


def test_all_three_say_the_same_accuracy(run, teacher, tmp_path):
    final = evaluate_run(run, device="cpu")["accuracy"]
    assert measured(run, "calibration")["accuracy"] == pytest.approx(final)
    matrix = np.array(measured(run, "confusion")["matrix"])
    assert matrix.sum() == 60
    assert np.trace(matrix) / 60 == pytest.approx(final)
    found = measured(run, "agreement")
    assert found["accuracy"] == pytest.approx(final)
    taught_by = runs.train_recipe(teacher, tmp_path, "cpu")
    assert found["teacher"] == {
        "name": "FromRecipe teacher",
        "accuracy": pytest.approx(evaluate_run(taught_by, device="cpu")["accuracy"]),
    }


def test_agreement_by_both_networks(run, teacher, tmp_path):
    """The teacher's network is asked anew, on its own statistics; it answers in float16."""
    data, network = run.recipe.data, run.network()
    other = runs.train_recipe(teacher, tmp_path, "cpu").network()
    images = data.load().test.images
    with torch.no_grad():
        q, p = (
            softmax(each(normalise(images, data.mean, data.std), 3).double().mean(0).numpy(), axis=-1)
            for each in (network, other)
        )
    found = measured(run, "agreement")
    assert found["agreement"] == pytest.approx(np.mean(p.argmax(-1) == q.argmax(-1)))
    assert found["kl"] == pytest.approx((p * np.log(p / q)).sum(-1).mean(), rel=1e-2)
    some = measured(run, "agreement", images=20)
    assert some["images"] == 20
    index = np.arange(20) * 3
    assert some["agreement"] == pytest.approx(np.mean(p.argmax(-1)[index] == q.argmax(-1)[index]))


def test_at_another_t_and_on_another_split(run):
    found = measured(run, "calibration", steps=5, split="train")
    assert (found["steps"], found["images"], found["split"]) == (5, 120, "train")
    assert found["nll"] != measured(run, "calibration", split="train")["nll"]


def test_a_run_without_a_teacher(student, tmp_path, cli):
    run = runs.train_recipe(replace(student, epochs=1), tmp_path, "cpu")
    with pytest.raises(InputError, match="had no teacher to agree with"):
        measured(run, "agreement")
    code, out, _ = cli("evaluate", run.folder, "--device", "cpu", "--what", "calibration,agreement")
    assert code == 0
    assert "ECE" in out
    assert "No agreement: The run" in out


def test_a_teacher_that_is_gone(run, tmp_path, cli):
    """What was measured while it was there is kept; at another T there is only the problem."""
    cli("evaluate", run.folder, "--device", "cpu", "--what", "agreement")
    before = evaluations(run)
    for folder in tmp_path.glob("teacher-*"):
        shutil.rmtree(folder)
    assert "The teacher teacher is not in" in measured(run, "agreement")["problem"]
    code, out, _ = cli("evaluate", run.folder, "--device", "cpu", "--what", "agreement")
    assert code == 0
    assert "No agreement: The teacher teacher is not in" in out
    assert evaluations(run) == before
    cli("evaluate", run.folder, "--device", "cpu", "--what", "agreement", "--steps", "2")
    kept, other = evaluations(run)
    assert [kept] == before
    assert (other["steps"], "agreement" in other) == (2, False)


def test_a_teacher_that_says_something_else_now(taught, tmp_path, monkeypatch):
    """One whose answers are more than its parameters."""
    (tmp_path / "panels.py").write_text(
        "import torch\nclass Fixed(torch.nn.Module):\n    sign = 1.0\n"
        "    def forward(self, x):\n        return self.sign * x.mean((1, 2, 3))[:, None] * torch.arange(3.0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    recipe = taught(KDSNNResponse(), teacher=FromModule("panels:Fixed"), epochs=1)
    run = runs.train_recipe(recipe, tmp_path / "runs", "cpu")
    found = measured(run, "agreement")
    assert found["teacher"]["name"] == "FromModule panels:Fixed"
    assert found["kl"] > 0
    sys.modules["panels"].Fixed.sign = -1.0
    assert "answers otherwise than when that run began" in measured(run, "agreement")["problem"]


def test_an_ann_has_one_step(teacher, tmp_path):
    run = runs.train_recipe(teacher, tmp_path, "cpu")
    assert measured(run, "calibration", steps=4)["steps"] == 1
    assert measured(run, "confusion")["steps"] == 1


def test_fewer_images_than_classes_and_a_split_of_one_class(run, monkeypatch):
    opened = open_to_measure(run, device="cpu")
    opened.__dict__["part"] = opened.part[torch.tensor([0, 1])]  # both of the first class
    found = measure("confusion", opened)
    assert found["images"] == 2
    assert found["per_class"][1:] == [None, None]
    calibrated = measure("calibration", opened)
    assert 0 <= calibrated["ece"] <= 1
    assert sum(one["images"] for one in calibrated["bins"]) == 2
    assert measure("agreement", opened)["images"] == 2


def test_what_is_printed_and_kept(run, cli):
    words = ("evaluate", run.folder, "--device", "cpu", "--what", "calibration,confusion,agreement")
    code, out, err = cli(*words)
    assert (code, err) == (0, "")
    for said in (
        "ECE",
        "over 15 bins of equal width",
        "sum over classes, from 0 to 2",
        "nats",
        "T = 3, 60 test images of stripes",
        "true class",
        "Agreement with the teacher (FromRecipe teacher)",
    ):
        assert said in out
    kept = {one["what"]: one for one in evaluations(run)}
    assert kept.keys() == {"calibration", "confusion", "agreement"}
    assert all(one["images"] == 60 and one["data"]["name"] == "stripes" for one in kept.values())
    json.dumps(kept, allow_nan=False)


def test_several_runs_are_rows(run, teacher, student, tmp_path, cli, monkeypatch):
    """Of which one cannot be asked about a teacher: that is said below the table of the others."""
    monkeypatch.setattr(latency, "SECONDS", 0.0)
    other = runs.train_recipe(replace(run.recipe, seed=1), tmp_path, "cpu")
    ann = runs.train_recipe(teacher, tmp_path, "cpu")
    words = ("--device", "cpu", "--what", "calibration,agreement,latency")
    code, out, err = cli("evaluate", run.folder, other.folder, ann.folder, *words)
    assert (code, err) == (0, "")
    tables, _, rest = out.partition(f"\n{ann.folder}\n")
    calibrated, agreed, timed = (tables.split(title)[1] for title in ("Calibration:", "Agreement", "Latency"))
    for each, rows in ((calibrated, 3), (agreed, 2), (timed, 3)):
        lines = each.split("\n\n")[1].splitlines()
        assert len(lines) == 1 + rows
    assert f"{measured(other, 'calibration')['ece']:.2%}" in calibrated
    assert f"{measured(other, 'agreement')['kl']:.4f}" in agreed
    assert "No agreement" in rest
    assert "ECE" not in rest


def test_many_classes_are_not_a_wide_table(capsys):
    from spikedistill.cli.answers_text import print_confusion

    matrix = np.eye(30, dtype=int) * 5
    matrix[7, [1, 2]] = 3, 4
    matrix[9] = 0
    shares = [None if not row.sum() else row[k] / row.sum() for k, row in enumerate(matrix)]
    about = {"steps": 2, "images": 152, "split": "test", "data": {"name": "many", "samples": 152}}
    print_confusion(about | {"classes": 30, "matrix": matrix.tolist(), "per_class": shares})
    lines = capsys.readouterr().out.splitlines()
    assert lines[5].split()[:2] == ["7", "41.67%"]
    assert lines[5].endswith("2 4, 1 3")
    assert len(lines) == 5 + 10
