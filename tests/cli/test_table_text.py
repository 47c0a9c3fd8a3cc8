from statistics import mean, stdev

import pytest

from spikedistill.cli.table_text import printed
from spikedistill.runs.cells import Line, Numbers
from spikedistill.table import Row, Table

ACCURACIES = {"scratch": (80.0, 81.0, 82.0), "T < 4 | far": (90.0, 91.01, 92.0), "near": (80.1, 81.3, 81.9)}
TABLE = Table("Three", tuple(Row(label) for label in ACCURACIES), source="Me, 2026", baseline="scratch")


def line(row):
    values = ACCURACIES[row.label]
    accuracy = Numbers(mean(values), stdev(values), len(values))
    return Line(row, "3 of 3", accuracy, accuracy, {}, (), by_seed=tuple(enumerate(values)))


def rows(form, end):
    text = printed(form, TABLE, [line(row) for row in TABLE.rows], "paper")
    return [found for found in text.splitlines() if found.endswith(end)]


def test_a_p_that_rounds_to_nothing_is_said_to_be_small():
    far, near = (found for found in rows("text", "3 of 3") if "scratch" not in found)
    assert far.split("  ")[-2].strip() == "< 0.001"
    assert near.split("  ")[-2].strip() == "0.478"


@pytest.mark.parametrize(
    ("form", "label"), [("markdown", "T < 4 \\| far"), ("latex", r"T \textless{} 4 \textbar{} far")]
)
def test_signs_that_mean_something_to_a_form_are_plain(form, label):
    assert any(label in found for found in rows(form, "|" if form == "markdown" else r"\\"))
