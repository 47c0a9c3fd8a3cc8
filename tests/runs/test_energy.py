"""Spikes and energy of finished runs, their teacher beside them, and what is kept of it in the run's folder."""

import json
import shutil
import threading
from dataclasses import replace

import pytest

from spikedistill.cli.evaluate import WHAT
from spikedistill.data.normalise import normalise
from spikedistill.errors import InputError
from spikedistill.evaluate.accuracy import accuracy
from spikedistill.evaluate.energy import TECHNOLOGIES
from spikedistill.methods.kdsnn import KDSNNResponse
from spikedistill.runs import train as runs
from spikedistill.runs.evaluation import FILE, evaluations, measured, record
from spikedistill.runs.measures import measure
from spikedistill.runs.opened import open_to_measure


def energy_of_run(run, *where, **asked):
    return measure("energy", open_to_measure(run, *where, **asked))


@pytest.fixture
def run(taught, tmp_path):
    return runs.train_recipe(taught(KDSNNResponse()), tmp_path, "cpu")


def test_a_student_and_its_teacher(run):
    found = energy_of_run(run, device="cpu", images=30)
    assert (found["steps"], found["images"], found["data"]["samples"]) == (3, 30, 60)
    assert 0 < found["firing_rate"] < 1
    assert found["teacher"]["steps"] == 1
    assert found["teacher"]["firing_rate"] is None
    assert found["teacher"]["conventions"]["exact"]["acs"] == 0
    mine, theirs = (one["conventions"]["exact"] for one in (found, found["teacher"]))
    assert mine["macs"] < theirs["macs"]
    json.dumps(found, allow_nan=False)
    assert energy_of_run(run, device="cpu", images=10**6)["images"] == 60


def test_it_is_asked_at_any_steps(run):
    two, four = (energy_of_run(run, steps, device="cpu") for steps in (2, 4))
    assert [len(one["by_step"]) for one in two["firing_rates"]] == [2, 2]
    first = [one["by_step"][:2] for one in four["firing_rates"]]
    assert first == [pytest.approx(one["by_step"]) for one in two["firing_rates"]]
    with pytest.raises(InputError, match="images must be a number of images"):
        energy_of_run(run, images=0)
    with pytest.raises(InputError, match="Unknown split"):
        energy_of_run(run, split="tset")


def test_a_teacher_that_is_gone_is_said(run, tmp_path):
    for folder in tmp_path.glob("teacher-*"):
        shutil.rmtree(folder)
    found = energy_of_run(run, device="cpu", images=10)
    assert "The teacher teacher is not in" in found["teacher"]["problem"]
    assert found["conventions"]["exact"]["acs"] > 0


def test_evaluations_stand_beside_each_other(run):
    assert evaluations(run) == []
    assert "energy" not in measured(run)
    for steps in (2, 3, 2):
        record(run, energy_of_run(run, steps, device="cpu", images=10))
    kept = evaluations(run)
    assert [one["steps"] for one in kept] == [3, 2]
    assert all(one["versions"]["spikedistill"] and one["data"]["name"] == "stripes" for one in kept)
    assert measured(run)["energy"]["steps"] == 3
    assert not list(run.folder.glob(".*partial"))


def test_two_processes_lose_nothing_of_each_other(run):
    """Read, added to and written by several at once."""

    def add(first):
        for index in range(first, first + 5):
            record(run, {"what": "sample", "index": index})

    threads = [threading.Thread(target=add, args=(first,)) for first in (0, 5, 10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(one["index"] for one in evaluations(run)) == list(range(15))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"schema": 1, "evaluations": [3]}', "is damaged"),
        ('{"schema": 99, "evaluations": []}', "has schema 99; this version reads 1"),
    ],
)
def test_files_that_cannot_be_read(run, content, said):
    (run.folder / FILE).write_text(content)
    with pytest.raises(InputError, match=said):
        evaluations(run)
    with pytest.raises(InputError, match=said):
        record(run, {"what": "energy"})
    assert (run.folder / FILE).read_text() == content


def test_the_command(run, cli):
    code, plain, _ = cli("evaluate", run.folder, "--device", "cpu")
    assert code == 0
    assert not (run.folder / FILE).exists(), "as it was: prints, and writes nothing"
    code, out, err = cli("evaluate", run.folder, "--device", "cpu", "--what", "all", "--images", "20")
    assert (code, err) == (0, "")
    assert out.startswith(plain)
    for word in ("firing rate", "exact", "syops", "neurobench", "45nm-fp32", "teacher", "20 of 60 test images"):
        assert word in out
    assert {one["what"] for one in evaluations(run)} == set(WHAT)
    code, out, _ = cli("evaluate", run.folder, "--device", "cpu", "--what", "energy", "--images", "20", "--json")
    (entry,) = json.loads(out)
    assert entry["energy"]["conventions"].keys() == {"exact", "syops", "neurobench"}
    assert "accuracy" not in entry
    code, _, err = cli("evaluate", run.folder, "--what", "energie")
    assert code == 2
    assert "energie" in err


def test_the_technologies_are_those_that_there_are():
    from spikedistill.cli import evaluate

    assert tuple(TECHNOLOGIES) == evaluate.TECHNOLOGIES


COLUMNS = "rate,energy, synops,syops OPs,T = 2,teacher,pruned teacher,agreement,ECE,seconds a batch"


def log_of(run):
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]


def test_columns_of_a_table(run, cli, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from spikedistill.runs.folder import open_run\nfrom spikedistill.table import Row, Table\n"
        f"table = Table('Mine', (Row('one', open_run({str(run.folder)!r}).recipe),), seeds=({run.recipe.seed},))\n"
    )
    words = ("table", file, "--runs", tmp_path, "--columns", COLUMNS, "--device", "cpu")
    code, before, _ = cli(*words, "--json")
    assert code == 0
    (row,) = json.loads(before)["rows"]
    assert row["columns"]["energy"]["mean"] is None, "not measured yet"
    cli("evaluate", run.folder, "--what", "energy,agreement,calibration", "--device", "cpu")
    code, after, _ = cli(*words, "--json")
    (row,) = json.loads(after)["rows"]
    found = measured(run)["energy"]
    exact = found["conventions"]["exact"]
    assert row["columns"]["energy"]["mean"] == pytest.approx((4.6 * exact["macs"] + 0.9 * exact["acs"]) * 1e-9)
    assert row["columns"]["rate"]["mean"] == pytest.approx(100 * found["firing_rate"])
    assert row["columns"]["syops OPs"]["mean"] == pytest.approx(found["conventions"]["syops"]["dense"] / 1e6)
    agreement = measured(run)["agreement"]
    for name, value in (
        ("teacher", 100 * agreement["teacher"]["accuracy"]),
        ("pruned teacher", 100 * agreement["teacher"]["accuracy"]),
        ("agreement", 100 * agreement["agreement"]),
        ("ECE", 100 * measured(run)["calibration"]["ece"]),
        ("seconds a batch", run.recipe.batch_size * run.metrics["seconds"] / sum(one["images"] for one in log_of(run))),
    ):
        assert row["columns"][name]["mean"] == pytest.approx(value), name
    code, out, _ = cli(*words)
    assert f"{row['columns']['energy']['mean']:.2g}" in out, "small numbers keep two digits"
    code, _, err = cli("table", file, "--runs", tmp_path, "--columns", "enery")
    assert code == 2
    assert "There is no column 'enery'. Did you mean 'energy'" in err


def test_five_guesses_where_there_are_many_classes(student, tmp_path):
    run = runs.train_recipe(replace(student, epochs=1), tmp_path, "cpu")
    data, network = run.recipe.data, run.network()
    test = data.load().test
    assert accuracy(network, test, data, 3).top5 is None

    class Many(type(data)):
        classes = 11

    head = network.head
    network.head = type(head)(head.in_features, 11)  # with a bias: no two logits are equal
    found = accuracy(network, test, Many(), 3)
    right = 0
    for batch in test.in_order():
        logits = network(normalise(batch.images, data.mean, data.std), 3).mean(0)
        for scores, label in zip(logits.tolist(), batch.labels.tolist(), strict=True):
            right += sum(score > scores[label] for score in scores) < 5
    assert found.top5 == pytest.approx(right / len(test), abs=0.02)
    assert found.top5 >= found.final
