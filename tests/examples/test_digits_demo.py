"""The demo runs from start to end, here with one epoch and two seeds."""

import re
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from spikedistill.recipe import FromRecipe, Recipe

DEMO = Path(__file__).parents[2] / "examples" / "digits_demo.py"


def shortened(recipe: Recipe) -> Recipe:
    teacher = FromRecipe(shortened(recipe.teacher.recipe)) if isinstance(recipe.teacher, FromRecipe) else None
    return replace(recipe, epochs=1, teacher=teacher)


def test_prints_a_row_for_each_network_and_a_column_for_each_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = runpy.run_path(str(DEMO))
    rows = {name: shortened(recipe) for name, recipe in demo["ROWS"].items()}
    demo["main"](rows, (0, 1), str(tmp_path))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith(("ANN", "SNN"))]
    assert [len(re.findall(r"\d+\.\d ± \d+\.\d", line)) for line in lines] == [1, 4, 4, 4]
    assert len(list(tmp_path.glob("*/metrics.json"))) == 8


def test_students_of_a_seed_share_its_teacher() -> None:
    demo = runpy.run_path(str(DEMO))
    first, second = (demo["with_seed"](demo["ROWS"][name], 2).teacher for name in ("SNN KDSNN", "SNN TSER"))
    assert first == second
    assert first.recipe.seed == 2
