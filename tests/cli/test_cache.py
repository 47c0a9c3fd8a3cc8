"""`spikedistill cache`: what it lists, what it deletes, and what it leaves alone."""

import json
import os
import re
import time

import pytest
from filelock import FileLock

from spikedistill.cli.cache import teacher_name

WORDS = ("digits-kdsnn", "--epochs", "2", "--teacher.recipe.epochs", "1", "--cache", "stored", "--device", "cpu")


@pytest.fixture
def store(cli, tmp_path):
    """The one that a run leaves."""
    code, _, said = cli("train", *WORDS)
    assert code == 0, said
    (folder,) = (tmp_path / "stored").iterdir()
    return folder


def test_stores_are_listed(store, cli):
    code, out, err = cli("cache", "stored")
    assert (code, err) == (0, "")
    head, line = out.splitlines()
    assert head.split() == ["key", "teacher", "data", "views", "size", "last", "use"]
    assert line.startswith(f"{store.name}  ConvNet, ReLU, Digits  digits  1 ")  # no augmentation: one view
    assert re.search(r"\d\.\d MB  \d{4}-\d\d-\d\d \d\d:\d\d$", line)


def test_one_is_deleted_and_filled_again(store, cli, tmp_path):
    code, out, err = cli("cache", "stored", "--delete", store.name)
    assert (code, err) == (0, "")
    assert out.startswith(f"deleted stored/{store.name} (")
    assert not store.exists()
    assert cli("cache", "stored")[1] == "stored holds no stored answers.\n"
    code, _, said = cli("train", *WORDS, "--seed", "1")
    assert code == 0, said
    assert store.is_dir()


def test_those_that_no_run_has_used_for_days_are_deleted(store, cli):
    assert cli("cache", "stored", "--older-than", "3") == (0, "", "")
    long_ago = time.time() - 4 * 86_400
    os.utime(store / "key.json", (long_ago, long_ago))
    code, _, said = cli("train", *WORDS, "--seed", "1")  # a use
    assert code == 0, said
    assert cli("cache", "stored", "--older-than", "3") == (0, "", "")
    os.utime(store / "key.json", (long_ago, long_ago))
    assert "deleted" in cli("cache", "stored", "--older-than", "3")[1]
    assert not store.exists()


@pytest.mark.parametrize("words", [("--delete", "KEY"), ("--older-than", "0")])
@pytest.mark.parametrize("change", ["a file of somebody's", "another name", "another key", "a link", "a folder"])
def test_what_is_no_store_is_left_alone(change, words, store, cli, tmp_path):
    if change == "a file of somebody's":
        (store / "thesis.tex").write_text("years of work")
    elif change == "another name":
        store = store.rename(store.with_name("0" * 16))
    elif change == "another key":
        said = json.loads((store / "key.json").read_text())
        (store / "key.json").write_text(json.dumps(said | {"view_seed": 9}))
    elif change == "a link":
        store.rename(tmp_path / "elsewhere")
        store.symlink_to(tmp_path / "elsewhere")
    else:
        (store / "view-00009.safetensors").mkdir()
    before = sorted(path.name for path in store.iterdir())
    code, out, err = cli("cache", "stored", *(store.name if word == "KEY" else word for word in words))
    assert out == ""
    assert sorted(path.name for path in store.iterdir()) == before
    if words[0] == "--delete":
        assert code == 2
        assert "There is no store" in err


def test_one_that_a_run_is_filling_is_not_deleted(store, cli):
    with FileLock(store / ".lock"):
        code, _, err = cli("cache", "stored", "--delete", store.name)
    assert code == 2
    assert "is being filled by a run" in err
    assert list(store.glob("view-*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("cache nowhere", "nowhere is not a folder"),
        ("cache stored --delete 0123", "There is no store '0123'. Keys: none."),
        ("cache stored --older-than x", "--older-than"),
        ("cache stored --older-than -1", "a number of days, not -1"),
        ("cache stored --older-than nan", "a number of days, not nan"),
        ("cache", "DIR"),
    ],
)
def test_wrong_input_gets_one_line(words, message, cli, tmp_path):
    (tmp_path / "stored").mkdir()
    code, out, err = cli(*words.split())
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert message in line


def test_names_of_teachers_that_wrap_others():
    module = {"kind": "module", "target": "zoo:make", "weights": "0", "steps": None}
    assert teacher_name(module) == "zoo:make"
    pruned = {"kind": "Pruned", "ratio": 0.5, "teacher": module}
    assert teacher_name({"kind": "Ensemble", "members": [pruned, module]}) == "Ensemble of Pruned of zoo:make, zoo:make"
    assert teacher_name(None) == "?"
