"""What is stored of runs: whatever cannot be read is said, and keeps nothing else from being shown."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from spikedistill.errors import InputError
from spikedistill.report.stored import number, numbers_in, read, read_all, run_folders_below


def test_a_finished_run_is_read(make, scratch):
    run = read(make(scratch, 0.91, evaluations=[{"what": "energy", "steps": 4}]))
    assert run.finished
    assert run.state == "finished"
    assert run.recipe == scratch
    assert [record["epoch"] for record in run.log] == [1, 2, 3]
    assert run.entries("energy") == [{"what": "energy", "steps": 4}]
    assert run.problems == ()


def test_a_run_without_metrics_is_unfinished(make, scratch):
    run = read(make(scratch, None))
    assert not run.finished
    assert run.state == f"unfinished, 3 of {scratch.epochs} epochs"
    assert read(make(replace(scratch, seed=1), None, log="")).state == "unfinished"


@pytest.mark.parametrize("text", ["", '{"accuracy": 0.9', "[1, 2]", "null", '{"accuracy": NaN}', '{"accuracy": "0.9"}'])
def test_metrics_that_cannot_be_used_are_said(make, scratch, text):
    run = read(make(scratch, metrics=text))
    assert not run.finished
    assert "metrics.json" in run.problems[0]


def test_of_a_log_that_ends_in_a_line_the_rest_is_read(make, scratch):
    run = read(make(scratch, log='{"epoch": 1, "accuracy": 0.5}\n[]\n{"epoch": NaN}\n{"epoch": 2, "acc'))
    assert [record["epoch"] for record in run.log] == [1]
    assert "3 of 4 lines" in run.problems[0]


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 7, "evaluations": []}', '{"schema": 1, "evaluations": [3]}'])
def test_an_evaluation_that_is_damaged_or_of_another_schema_leaves_the_run(make, scratch, text):
    run = read(make(scratch, evaluations=text))
    assert run.finished
    assert run.evaluations == ()
    assert "evaluation.json" in run.problems[0]


def test_the_entry_of_the_run_s_own_steps_on_test_images_comes_first(make, scratch):
    other = {"what": "accuracy", "steps": 8, "split": "test", "weights": "last"}
    train = {"what": "accuracy", "steps": 4, "split": "train", "weights": "last"}
    own = {"what": "accuracy", "steps": 4, "split": "test", "weights": "last"}
    run = read(make(scratch, evaluations=[train, other, own]))
    assert run.entries("accuracy") == [own, other, train]


def test_runs_are_found_at_any_depth_and_hidden_folders_are_left_out(make, scratch, tmp_path):
    first, second = make(scratch), make(replace(scratch, seed=1))
    deep = tmp_path / "runs" / "a" / "b"
    deep.mkdir(parents=True)
    second.rename(deep / second.name)
    (tmp_path / "runs" / ".locks").mkdir()
    (tmp_path / "runs" / ".locks" / "run.json").write_text("{}")
    assert set(run_folders_below(tmp_path)) == {first, deep / second.name}
    assert list(run_folders_below(tmp_path / "runs" / ".locks" / "none")) == []


def test_what_is_no_run_of_this_version_is_listed_with_the_reason(make, scratch, tmp_path):
    good, old, broken, edited = (make(replace(scratch, seed=seed)) for seed in range(4))
    (old / "run.json").write_text(json.dumps({"format": 1, "versions": {"spikedistill": "0.1.0"}}))
    (broken / "recipe.json").write_text("{")
    recipe = json.loads((edited / "recipe.json").read_text())
    (edited / "recipe.json").write_text(json.dumps(recipe | {"epochs": 7}))
    runs, unread = read_all(run_folders_below(tmp_path))
    assert [run.folder.name for run in runs] == [good.name]
    reasons = {one.folder.name: one.reason for one in unread}
    assert "0.1.0 in format 1" in reasons[old.name]
    assert "recipe.json" in reasons[broken.name]
    assert "changed" in reasons[edited.name]


def test_a_run_counts_once_however_often_it_is_named(make, scratch, tmp_path, monkeypatch):
    folder = make(scratch)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("run.json", "recipe.json"):
        (copy / name).write_bytes((folder / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    runs, unread = read_all([copy, folder, folder / ".." / folder.name, Path("runs") / folder.name])
    assert [run.folder for run in runs] == [Path("runs") / folder.name]  # the one that is finished
    assert [one.folder for one in unread] == [Path("copy")]
    assert "counts once" in unread[0].reason


def test_a_folder_without_a_recipe_is_no_run(tmp_path):
    with pytest.raises(InputError, match=r"run\.json"):
        read(tmp_path)


def test_numbers_are_finite():
    values = [1, 0.5, True, "1", None, float("nan"), float("inf"), 10**400]
    assert [number(value) for value in values] == [1.0, 0.5, *[None] * 6]
    assert numbers_in([0.1, None, "x"]) == [0.1, None, None]
    assert numbers_in("no list") == []
