"""The first table: its rows are the runs that are kept, and it says what the README's first screen says."""

import json
from dataclasses import replace
from pathlib import Path

from spikedistill.recipes import digits
from spikedistill.runs.train import check

HASHES = json.loads((Path(__file__).parents[2] / "results" / "hashes.json").read_text())


def test_its_rows_are_the_kept_runs_of_twenty_seeds():
    table = digits.table
    for row in table.rows:
        for seed in range(20):
            recipe = check(table.recipe(row, seed))
            assert recipe.hash == HASHES[f"digits/{recipe.name}-{seed}"]


def test_it_is_a_table_of_the_command_line(cli, monkeypatch):
    """With one epoch: a row for each network, a column for each time step, whole numbers of weights."""
    rows = tuple(
        replace(row, recipe=replace(row.recipe, epochs=1, teacher=one_epoch(row.recipe.teacher)))
        for row in digits.table.rows
    )
    monkeypatch.setattr(digits, "table", replace(digits.table, rows=rows))
    code, out, err = cli("table", "digits", "--run", "--seeds", "0,1", "--threads", "1", "--device", "cpu")
    assert code == 0, err
    lines = {line.split("  ")[0]: line for line in out.splitlines() if line.startswith(("ANN", "SNN"))}
    assert list(lines) == ["ANN teacher", "SNN scratch", "SNN KDSNN", "SNN TSER"]
    assert [line.count("±") for line in lines.values()] == [3, 6, 6, 6]  # last and best epoch; each number of steps
    assert " 7,376 " in lines["ANN teacher"]
    assert " 3,704 " in lines["SNN TSER"]


def one_epoch(teacher):
    return teacher and replace(teacher, recipe=replace(teacher.recipe, epochs=1))
