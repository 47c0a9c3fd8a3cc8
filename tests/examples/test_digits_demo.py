"""The demo runs from start to end, here with one epoch and two seeds."""

import re
import runpy
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from spikedistill.recipe import everywhere
from spikedistill.runs.folder import open_run

DEMO = Path(__file__).parents[2] / "examples" / "digits_demo.py"


def test_prints_a_row_for_each_network_and_a_column_for_each_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = runpy.run_path(str(DEMO))
    rows = {name: everywhere(recipe, partial(replace, epochs=1)) for name, recipe in demo["ROWS"].items()}
    demo["main"](rows, (0, 1), str(tmp_path))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith(("ANN", "SNN"))]
    assert [len(re.findall(r"\d+\.\d ± \d+\.\d", line)) for line in lines] == [1, 4, 4, 4]
    assert len(list(tmp_path.glob("*/metrics.json"))) == 8
    seeds = {run.recipe.seed: run.recipe.teacher.recipe.seed for run in map(open_run, tmp_path.glob("digits-tser-*"))}
    assert seeds == {0: 0, 1: 1}
