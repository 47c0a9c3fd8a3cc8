"""`evaluate` of one run and of several, and `predict`: what is asked of folders that are there."""

import json
from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pytest
import torch
from PIL import Image

from spikedistill.recipes import digits
from spikedistill.runs import train as runs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two seeds of one setting, and one of another T."""
    root = tmp_path_factory.mktemp("trained") / "runs"
    quick = replace(digits.scratch, epochs=1, batch_size=64, precision="fp32")
    quick = replace(quick, name="digits", data=replace(quick.data, train_size=128))
    settings = (replace(quick, seed=0), replace(quick, steps=2, name="two"), replace(quick, seed=3))
    return [runs.train_recipe(recipe, root, "cpu").folder for recipe in settings]


def one_line(said):
    code, out, err = said
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert "Traceback" not in line
    return line


def test_several_runs_are_a_table(trained, cli):
    code, out, err = cli("evaluate", *trained, "--device", "cpu")
    assert (code, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.split() == ["run", "seed", "T", "=", "1", "T", "=", "2", "T", "=", "3", "T", "=", "4"]
    assert [line.split()[0] for line in lines] == [str(trained[0]), str(trained[2]), "digits:", str(trained[1])]
    shares = [json.loads((trained[i] / "metrics.json").read_text())["accuracy_cumulative"] for i in (0, 2)]
    for i, line in ((0, lines[0]), (1, lines[1])):
        assert line.split()[2:] == [f"{share:.2%}" for share in shares[i]]
    for at_t in zip(*shares, strict=True):
        percent = [100 * share for share in at_t]
        assert f"{mean(percent):.2f} ± {stdev(percent):.2f} %" in lines[2]
    assert "n = 2" in lines[2]
    assert len(lines[3].split()) == 4  # its T is 2


def test_several_runs_as_json(trained, cli):
    code, out, _ = cli("evaluate", *trained, "--json", "--device", "cpu", "--steps", "3")
    results = json.loads(out)
    assert code == 0
    assert [(one["run"], one["seed"], one["steps"]) for one in results] == [
        (str(folder), seed, 3) for folder, seed in zip(trained, (0, 0, 3), strict=True)
    ]
    (alone,) = json.loads(cli("evaluate", trained[1], "--json", "--device", "cpu", "--steps", "3")[1])
    assert alone == results[1]


def test_patterns_and_folders(trained, cli):
    root = trained[0].parent
    code, out, _ = cli("evaluate", f"{root}/digits-*", trained[0], "--json", "--device", "cpu")
    assert (code, {one["seed"] for one in json.loads(out)}, len(json.loads(out))) == (0, {0, 3}, 2)
    assert "No run's folder matches 'runs/digits-*'. There is no run in runs." in one_line(
        cli("evaluate", "runs/digits-*")
    )
    assert "matches" in one_line(cli("evaluate", f"{root}/fashion-*"))
    assert f"Did you mean '{trained[1]}'?" in one_line(cli("evaluate", f"{trained[1]}x"))
    assert f"is a folder of runs. Name one of them, or all: {root}/*." in one_line(cli("evaluate", root))
    assert "steps must be at most 10000" in one_line(cli("evaluate", trained[0], "--steps", "9" * 30))
    assert "is a file, not a run's folder" in one_line(cli("evaluate", trained[0] / "run.json"))


def test_an_unfinished_run_among_others(trained, cli, tmp_path):
    """Said before any is evaluated."""
    for name in ("recipe.json", "run.json"):
        (tmp_path / "cut").mkdir(exist_ok=True)
        (tmp_path / "cut" / name).write_bytes((trained[0] / name).read_bytes())
    assert "cut is not finished" in one_line(cli("evaluate", trained[0], "cut"))


@pytest.fixture
def pictures(tmp_path):
    """Ten test images of the digits as files, and their numbers."""
    images = digits.scratch.data.load().test.images[:10, 0]
    for place, image in enumerate(images):
        Image.fromarray(image.numpy()).save(tmp_path / f"{place}.png")
    return [f"{place}.png" for place in range(10)]


def test_predictions_are_the_networks(trained, pictures, cli):
    code, out, err = cli("predict", trained[0], *pictures, "--steps", "3", "--json", "--device", "cpu")
    assert (code, err) == (0, "")
    answers = json.loads(out)
    run = runs.open_run(trained[0])
    data = run.recipe.data
    images = data.load().test.images[:10].to(torch.float32) / 255
    with torch.no_grad():
        logits = run.network()((images - data.mean[0]) / data.std[0], 3)
    expected = logits.mean(0).softmax(-1)
    assert [one["image"] for one in answers] == pictures
    assert [one["class"] for one in answers] == expected.argmax(-1).tolist()
    np.testing.assert_allclose([one["probabilities"] for one in answers], expected, atol=1e-5)
    code, out, _ = cli("predict", trained[0], *pictures, "--steps", "3", "--device", "cpu")
    lines = out.splitlines()
    assert lines[0].split() == ["image", "class", "probability"]
    assert lines[1].split() == ["0.png", str(answers[0]["class"]), f"{answers[0]['probability']:.1%}"]
    assert len(lines) == 11


def test_names_of_classes(trained, pictures, cli, monkeypatch):
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    monkeypatch.setattr(type(digits.scratch.data), "class_names", names)
    (answer,) = json.loads(cli("predict", trained[0], pictures[0], "--json", "--device", "cpu")[1])
    assert answer["name"] == names[answer["class"]]


def test_what_cannot_be_predicted(trained, pictures, cli, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (20, 10)).save(tmp_path / "wide.png")
    run = trained[0]
    for words, message in (
        ((run, "text.png"), "text.png cannot be decoded as a picture"),
        ((run, pictures[0], "none.png"), "There is no picture 'none.png'"),
        ((run, "wide.png"), "wide.png is 10 x 20 pixels high and wide, not 8 x 8. Resize it: --resize."),
        ((run,), "IMAGE"),
        (("nowhere", pictures[0]), "There is no folder 'nowhere'"),
        ((f"{run.parent}/*", pictures[0]), "names 3 runs, and one answers"),
        ((run, pictures[0], "--steps", "0"), "steps must be 1 or more, not 0"),
        ((run, pictures[0], "--steps", "100000000"), "steps must be at most 10000, not 100000000"),
        ((run, pictures[0], "--setps", "2"), "Did you mean '--steps'?"),
    ):
        assert message in one_line(cli("predict", *words, "--device", "cpu")), words
    assert cli("predict", run, "wide.png", "--resize", "--device", "cpu")[0] == 0
