"""`spikedistill table`: shown, run, resumed, printed in every form."""

import csv
import io
import json
import signal
import subprocess
import sys
import time

import pytest

MINE = """
from dataclasses import replace
from spikedistill.methods import TSER
from spikedistill.recipes import digits
from spikedistill.table import Row, Table

teacher = replace(digits.teacher, epochs=1)
scratch = replace(digits.scratch, epochs=2)
taught = replace(digits.kdsnn, epochs=2, teacher=replace(digits.kdsnn.teacher, recipe=teacher))
rows = (
    Row("scratch", scratch, paper=90.0),
    Row("KDSNN", taught, paper=91.5, paper_deviation=0.2, numbers={"energy": 3.5}),
    Row("TSER & co_1", replace(taught, method=TSER())),
    Row("another's", paper=88.0),
)
mine = Table("Mine", rows, source="Me, 2026", seeds=(0, 1), baseline="scratch", cpu={"epochs": 1},
             columns=("T = 2", "parameters", "operations", "minutes", "energy"), note="A note.")
"""
BROKEN = """
from dataclasses import replace
from spikedistill.methods import KDSNNResponse
from spikedistill.optim import SGD
from spikedistill.recipes import digits
from spikedistill.table import Row, Table

teacher = replace(digits.teacher, epochs=1, optimizer=SGD(1e30))
taught = replace(digits.kdsnn, epochs=1, teacher=replace(digits.kdsnn.teacher, recipe=teacher))
table = Table("Broken", (Row("taught", taught), Row("scratch", replace(digits.scratch, epochs=1)),
                         Row("lost", replace(taught, teacher=None))), seeds=(0,))
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return "mine.py"


def test_the_list_of_tables(cli):
    code, out, _ = cli("table")
    assert code == 0
    assert "distilling-spikes-table-1" in out
    _, out, _ = cli("list", "--json")
    listed = {row["name"]: row for row in json.loads(out)["tables"]}
    assert listed["distilling-spikes-table-1"]["rows"] == 9


def test_a_table_is_shown_before_and_after_it_has_run(cli, mine):
    code, out, _ = cli("table", mine)
    assert code == 0
    assert "0 of 2" in out
    assert "quoted" in out
    code, out, err = cli("table", mine, "--run", "--rows", "scratch,KDSNN,another's")
    assert code == 0, err
    assert "2 of 2" in out
    assert "left" in err
    assert "epoch" not in err, "a line or two for each training, however many epochs it has"
    code, out, err = cli("table", mine)
    lines = {line.split("  ")[0]: line for line in out.splitlines() if line}
    assert "90.00" in lines["scratch"]
    assert "91.50 ± 0.20" in lines["KDSNN"]
    assert "0 of 2" in lines["TSER & co_1"]
    assert "Me, 2026" in out
    assert "Budget paper" in out
    assert err == ""


def test_every_form_says_the_same(cli, mine):
    assert cli("table", mine, "--run", "--rows", "scratch,KDSNN,another's", "--seeds", "0,1")[0] == 0
    _, text, _ = cli("table", mine, "--json")
    found = {row["row"]: row for row in json.loads(text)["rows"]}
    taught = found["KDSNN"]
    assert taught["n"] == 2
    assert taught["difference"] == pytest.approx(taught["mean"] - 91.5)
    assert taught["to_baseline"] == pytest.approx(taught["mean"] - found["scratch"]["mean"])
    assert taught["columns"]["energy"] == {"paper": 3.5, "mean": None, "deviation": None}
    assert taught["columns"]["parameters"]["mean"] == pytest.approx(0.003704)
    assert taught["columns"]["T = 2"]["mean"] <= 100
    assert len(taught["runs"]) == 2
    assert found["another's"]["state"] == "quoted"
    other = {row["row"]: row for row in json.loads(cli("table", mine, "--json", "--baseline", "KDSNN")[1])["rows"]}
    assert other["KDSNN"]["to_baseline"] is None
    assert other["scratch"]["to_baseline"] == pytest.approx(-taught["to_baseline"])
    assert "- KDSNN (95 %)" in cli("table", mine, "--baseline", "KDSNN")[1]
    rows = list(csv.DictReader(io.StringIO(cli("table", mine, "--csv")[1])))
    assert float(rows[1]["mean"]) == pytest.approx(taught["mean"])
    assert float(rows[1]["energy_paper"]) == 3.5
    markdown = cli("table", mine, "--markdown")[1]
    assert f"| KDSNN | 91.50 ± 0.20 | {taught['mean']:.2f} ± {taught['deviation']:.2f} | 2 |" in markdown
    latex = cli("table", mine, "--latex")[1]
    assert r"TSER \& co\_1" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    widths = {line.count("&") - line.count(r"\&") for line in latex.splitlines() if line.endswith(r"\\")}
    assert len(widths) == 1


def test_processes_train_a_table_and_a_killed_one_costs_its_row_alone(command, mine, tmp_path):
    """A worker that is killed, and a whole command that is stopped and given again."""
    done = command("table", mine, "--run", "--jobs", "2", "--rows", "scratch,KDSNN", "--seeds", "0")
    assert done.returncode == 0, done.stderr
    assert "1 of 1" in done.stdout
    assert len(list(tmp_path.glob("runs/*/metrics.json"))) == 3


def test_two_commands_on_one_folder_share_the_work(mine, tmp_path):
    """Each training is done once, whoever takes it; both print the whole table."""
    words = [sys.executable, "-m", "spikedistill.cli", "table", "mine.py", "--run", "--json"]
    running = [
        subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=200) for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    tables = [json.loads(out)["rows"] for out, _ in said]
    assert tables[0] == tables[1]
    assert {row["state"] for row in tables[0]} == {"2 of 2", "quoted"}
    folders = {path.parent for path in tmp_path.glob("runs/*/metrics.json")}
    assert len(folders) == len(list(tmp_path.glob("runs/*/run.json"))) == 8  # three students, a teacher; two seeds
    for folder in folders:
        epochs = [json.loads(line)["epoch"] for line in (folder / "log.jsonl").read_text().splitlines()]
        assert epochs == sorted(set(epochs))


def test_stopped_it_ends_with_130_and_the_same_command_goes_on(mine, tmp_path):
    (tmp_path / "long.py").write_text(MINE.replace("epochs=2", "epochs=3000"))
    words = [sys.executable, "-m", "spikedistill.cli", "table", "long.py", "--run", "--jobs", "2", "--rows", "scratch"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 100
        while len(list(tmp_path.glob("runs/*/run.json"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert "begun" in out
    assert "Traceback" not in err


def test_a_row_whose_teacher_fails_says_so_and_the_others_go_on(cli, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    code, out, _ = cli("table", "broken.py", "--run")
    assert code == 1
    lines = {line.split("  ")[0]: line for line in out.splitlines() if line}
    assert "teacher" in lines["taught"]
    assert "could not be trained" in lines["taught"]
    assert "1 of 1" in lines["scratch"]
    assert "needs a teacher" in lines["lost"]


def test_the_budget_for_two_cores_is_another_run(cli, mine, tmp_path):
    code, out, err = cli("table", mine, "--run", "--rows", "scratch", "--seeds", "0", "--budget", "cpu")
    assert code == 0, err
    assert [path.name[:18] for path in tmp_path.glob("runs/*-cpu-*")] == ["digits-scratch-cpu"]
    assert "Budget cpu" in out
    assert "0 of 2" in cli("table", mine, "--rows", "scratch")[1]


def test_smoke_keeps_nothing(cli, mine, tmp_path):
    code, out, err = cli("table", mine, "--budget", "smoke")
    assert code == 0, err
    assert "quoted" in out
    assert not list(tmp_path.glob("runs/*"))


def test_answers_of_a_teacher_are_stored_where_that_is_asked_for(cli, mine, tmp_path):
    code, _, err = cli("table", mine, "--run", "--rows", "KDSNN", "--seeds", "0", "--cache", "answers")
    assert code == 0, err
    assert list(tmp_path.glob("answers/*/view-*"))
    assert "1 of 2" in cli("table", mine, "--rows", "KDSNN")[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("distilling-spikes-table-9",), "Did you mean 'distilling-spikes-table-"),
        (("mine.py", "--rows", "scratc"), "Did you mean 'scratch'"),
        (("mine.py", "--baseline", "scrach"), "Did you mean 'scratch'"),
        (("mine.py", "--rows", "KDSNN", "--baseline", "scratch"), "is none of the rows that are shown"),
        (("mine.py", "--jobs", "0"), "--jobs is a number from 1"),
        (("mine.py", "--threads", "-1"), "--threads is a number from 1"),
        (("mine.py", "--seeds", "x"), "--seeds takes"),
        (("mine.py", "--runs", ""), "--runs"),
        (("mine.py:other",), "does not say which table"),
        (("none.py",), "no recipe file"),
        (("mine.py", "--json", "--csv"), "not allowed with"),
        (("mine.py", "--budget", "big"), "--budget"),
        (("mine.py", "--colour", "red"), "Unknown option"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(cli, mine, words, says):
    code, out, err = cli("table", *words)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
