"""The list of measures: the command line, its printing and its page know all of them."""

from pathlib import Path

from spikedistill.cli.evaluate import PRINTED, WHAT
from spikedistill.runs.measures import MEASURES

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()


def test_the_command_knows_them_all():
    assert set(WHAT) == MEASURES.keys()
    assert PRINTED.keys() == MEASURES.keys() - {"accuracy"}


def test_the_page_has_a_section_and_a_row_of_keys_for_each():
    headings = {line.removeprefix("## ").split(" ")[0].lower() for line in PAGE.splitlines() if line.startswith("## ")}
    assert MEASURES.keys() <= headings
    rows = {line.split("|")[1].strip(" `") for line in PAGE.splitlines() if line.startswith("| `")}
    assert MEASURES.keys() <= rows
