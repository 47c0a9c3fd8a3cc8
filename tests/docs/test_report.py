"""docs/report.md names the options, figures and measures that there are, and its listing runs."""

import re
from pathlib import Path

from spikedistill.cli.report import _parser
from spikedistill.report import figures
from spikedistill.report.single import MEASURES

TEXT = (Path(__file__).parents[2] / "docs" / "report.md").read_text()


def test_its_options_are_the_command_s():
    used = set(
        re.findall(r"(?<![\w-])(--?[a-z][a-z.-]*)", "\n".join(re.findall(r"^spikedistill report.*", TEXT, re.M)))
    )
    assert used
    assert used <= set(_parser().options)


def test_it_names_every_figure():
    values = {"Curve", "Point", "pareto_front", "virtual_teacher"}
    end = TEXT.rpartition("```")[2]
    assert set(re.findall(r"`(\w+)`", end)) == set(figures.__all__) - values


def test_it_names_every_measure_that_is_drawn():
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")]
    words = {
        word.removeprefix("--what ") for line in rows for word in re.findall(r"`([^`]+)`", line.rpartition(" | ")[2])
    }
    assert words == {*MEASURES, "outputs", "teacher.ratio"}


def test_its_listing_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    exec(code, {})
    assert {path.name for path in tmp_path.iterdir()} == {"steps.png", "pareto.svg"}
