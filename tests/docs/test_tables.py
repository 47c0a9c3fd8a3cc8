"""docs/tables.md: its listings run, its options are the command's, its tables are those that there are."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spikedistill.cli.table import _parser
from spikedistill.recipes import _files as recipe_files
from spikedistill.runs.cells import COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text()


def test_every_option_of_the_command_is_there_and_no_other():
    _, _, rest = PAGE.partition("## The command")
    (table, _, _) = rest.partition("**Resuming.**")
    named = set(re.findall(r"--[a-z.]+", table))
    assert named == {option for option in _parser().options if option.startswith("--")} - {"--help"}


def test_every_table_is_there():
    _, _, last = PAGE.partition("## Which there are")
    cells = [line.split("|")[1] for line in last.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)} == set(recipe_files.shipped_tables())


def test_tables_without_a_reduction_are_named():
    missing = {name for name, table in recipe_files.shipped_tables().items() if table.cpu is None}
    ours = {name for name in recipe_files.shipped_tables() if name.startswith("standin") or "-minutes" in name}
    assert missing == {"tser-table-2"} | ours
    assert "| `tser-table-2` | ImageNet | none |" in PAGE


def test_every_column_is_there():
    for name in COLUMNS:
        assert f"`{name}`" in PAGE


@pytest.mark.slow
def test_the_listing_runs(tmp_path):
    ((listing,), (_, commands)) = (
        re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
        for language in ("python", "sh")
    )
    (tmp_path / re.match(r"# (\w+\.py)", listing)[1]).write_text(listing)
    script = 'spikedistill() { "$PYTHON" -m spikedistill.cli "$@"; }\npython() { "$PYTHON" "$@"; }\n' + commands
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "66 points" in done.stdout
    assert "1 of 1" in done.stdout
    assert r"\toprule" in done.stdout
