"""What a table shows of finished runs: columns by name."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from spikedistill.data import OwnDataset
from spikedistill.runs.cells import cells, lines
from spikedistill.runs.folder import begin
from spikedistill.table import Row, Table

METRICS = {
    "accuracy": 0.9,
    "accuracy_best": 0.91,
    "accuracy_by_step": [0.7, 0.8, 0.75],
    "accuracy_cumulative": [0.7, 0.85, 0.9],
    "parameters": 2_500_000,
    "seconds": 90.0,
}


@pytest.fixture
def shown(student, tmp_path):
    """Columns of one finished run, by name, as `metrics.json` has it."""

    def of(metrics, *columns):
        table = Table("t", (Row("one", student),), seeds=(0,), columns=columns)
        made = cells(table, table.rows, table.seeds, tmp_path, device="cpu")
        run = begin(made[0].recipe, tmp_path)
        (run.folder / "metrics.json").write_text(json.dumps(metrics))
        (line,) = lines(table, table.rows, made, tmp_path, {})
        return {name: None if one is None else one.mean for name, one in line.columns.items()}

    return of


@dataclass(frozen=True)
class Counted(OwnDataset):
    """Says how often it is read."""

    reads: ClassVar[list[str]] = []

    def _read(self):
        self.reads.append("read")
        labels = torch.arange(60) % 3
        images = torch.zeros(60, 3, 8, 8, dtype=torch.uint8)
        return (images, labels), (images, labels)


def test_data_of_ones_own_are_read_once_for_all_rows_and_seeds(student, tmp_path):
    recipe = replace(student, data=Counted())
    table = Table("t", (Row("one", recipe), Row("two", replace(recipe, steps=2))), seeds=(0, 1, 2))
    made = cells(table, table.rows, table.seeds, tmp_path, device="cpu")
    assert [cell.problem for cell in made] == [""] * 6
    assert Counted.reads == ["read"]


def test_accuracy_after_so_many_steps_and_of_one_alone(shown):
    assert shown(METRICS, "T = 1", "T = 2", "step 1", "step 2", "T = 4", "step 4") == {
        "T = 1": pytest.approx(70),
        "T = 2": pytest.approx(85),
        "step 1": pytest.approx(70),
        "step 2": pytest.approx(80),
        "T = 4": None,
        "step 4": None,
    }


def test_mean_and_spread_of_the_steps(shown):
    assert shown(METRICS, "mean of steps", "spread of steps") == {
        "mean of steps": pytest.approx(75),
        "spread of steps": pytest.approx(10),
    }


def test_sizes_times_and_what_there_is_not(shown):
    found = shown(METRICS, "parameters", "minutes", "validation", "energy")
    assert shown(METRICS, "weights") == {"weights": 2_500_000}
    assert found == {"parameters": 2.5, "minutes": 1.5, "validation": None, "energy": None}
    assert shown(METRICS | {"validation_accuracy": 0.8}, "validation") == {"validation": pytest.approx(80)}
