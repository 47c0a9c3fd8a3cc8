"""`spikedistill runs`: what it lists in whatever state, what it deletes and what not, and two runs side by side."""

import io
import json
import shutil

import pytest
from filelock import FileLock

TRAIN = ("digits-kdsnn", "--epochs", "1", "--teacher.recipe.epochs", "1", "--device", "cpu")


@pytest.fixture
def runs(cli, tmp_path):
    """The folders of a teacher and of its student."""
    code, out, said = cli("train", *TRAIN)
    assert code == 0, said
    student = tmp_path / out.splitlines()[-1]
    (teacher,) = (path.parent for path in (tmp_path / "runs").glob("*/run.json") if path.parent != student)
    return teacher, student


def states(cli, *words):
    code, out, err = cli("runs", *words, "--json")
    assert (code, err) == (0, "")
    return {one["run"].rpartition("/")[2]: one["state"] for one in json.loads(out)}


def test_they_are_listed_newest_first(runs, cli):
    teacher, student = runs
    code, out, err = cli("runs")
    assert (code, err) == (0, "")
    head, first, second, _, last = out.splitlines()
    assert head.split() == ["run", "seed", "state", "accuracy", "epochs", "age", "size"]
    assert first.startswith(f"{student.name}  0     finished  ")
    assert " 1 of 1  " in first
    assert second.startswith(teacher.name)
    assert last.startswith("2 runs (2 finished), ")
    (one, _) = json.loads(cli("runs", "--json")[1])
    assert one["accuracy"] == json.loads((student / "metrics.json").read_text())["accuracy"]
    assert one["bytes"] == sum(path.stat().st_size for path in student.iterdir())


def test_every_state_is_told(runs, cli, tmp_path):
    teacher, student = runs
    info = json.loads((student / "run.json").read_text())
    with FileLock(tmp_path / "runs" / ".locks" / f"{info['recipe'][:10]}.lock"):
        assert states(cli)[student.name] == "running"
        code, _, err = cli("runs", "--delete", student.name, "--yes")
        assert code == 2
        assert "is being trained" in err
    shutil.move(student / "weights.safetensors", student / "checkpoint.safetensors")
    assert states(cli)[student.name] == "without weights"
    (student / "metrics.json").unlink()
    assert states(cli)[student.name] == "stopped"
    (student / "checkpoint.safetensors").unlink()
    assert states(cli)[student.name] == "begun"
    (student / "recipe.json").write_text("{")
    assert states(cli) == {student.name: "damaged", teacher.name: "finished"}


def test_some_are_deleted(runs, cli, tmp_path, monkeypatch):
    teacher, student = runs
    code, out, err = cli("runs", "--delete", f"runs/{teacher.name}")
    assert code == 2
    assert "a teacher or start of 1 runs there" in out
    assert "--yes" in err
    assert teacher.is_dir()

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert cli("runs", "--delete", student.name)[1].endswith("Nothing was deleted.\n")
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert cli("runs", "--delete", student.name)[0] == 0
    assert not student.exists()
    assert cli("runs", "--delete", "runs/*", "--yes")[0] == 0
    assert cli("runs")[1].startswith("runs holds no runs.")


def test_what_is_no_runs_is_left_alone(runs, cli, tmp_path):
    _, student = runs
    (student / "thesis.tex").write_text("years of work")
    code, _, err = cli("runs", "--delete", student.name, "--yes")
    assert code == 2
    assert "thesis.tex" in err
    assert (student / "metrics.json").is_file()
    (student / "thesis.tex").unlink()
    student.rename(tmp_path / "elsewhere")
    student.symlink_to(tmp_path / "elsewhere")
    code, _, err = cli("runs", "--delete", student.name, "--yes")
    assert code == 2
    assert "is a link" in err
    assert (tmp_path / "elsewhere" / "metrics.json").is_file()


def test_two_are_compared(runs, cli):
    teacher, student = runs
    code, out, err = cli("runs", "--compare", teacher.name, student.name)
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    assert lines["neuron"] == ["ReLU", "IF"]
    assert lines["teacher"] == ["FromRecipe", "digits-teacher+epochs=1"]
    assert lines["state"] == ["finished", "finished"]
    assert "data" not in lines
    said = json.loads(cli("runs", "--compare", teacher.name, student.name, "--json")[1])
    assert said["recipe"]["method"][1]["kind"] == "KDSNNResponse"
    assert said["metrics"]["accuracy"][1] == json.loads((student / "metrics.json").read_text())["accuracy"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "nowhere is not a folder"),
        (("--delete", "none", "--yes"), "There is no folder 'none'"),
        (("--compare", ".", "."), "is no run's folder"),
        (("--compare", "runs/*kdsnn*", "runs/*kdsnn*"), "takes two runs, and these are 1"),
        (("--delete", "a", "--compare", "a", "b"), "not allowed with"),
    ],
)
def test_what_is_refused(words, said, runs, cli):
    code, _, err = cli("runs", *words)
    assert code == 2
    assert said in err


def test_a_pattern_that_names_two_is_as_good_as_two_names(runs, cli):
    assert cli("runs", "--compare", "runs/*", "runs/*")[0] == 0
