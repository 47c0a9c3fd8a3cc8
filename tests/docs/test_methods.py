"""docs/methods.md: every method has its line; what stands there in code is a field, with a value that it takes."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from spikedistill.methods import Method, Sum
from spikedistill.values.kinds import shipped_kinds

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
KINDS = shipped_kinds(Method)
LINES = [
    (name, cells)
    for cells in (line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| `"))
    for name in re.findall(r"`([^`]+)`", cells[0])
]


def test_every_method_has_a_line():
    assert sorted(name for name, _ in LINES) == sorted(name for name, kind in KINDS.items() if kind is not Sum)


@pytest.mark.parametrize(("name", "cells"), LINES, ids=[name for name, _ in LINES])
def test_what_is_in_code_is_a_field(name, cells):
    own = {field.name: field for field in fields(KINDS[name])}
    _, _, main, variants = cells
    assert re.findall(r"`([^`=]+)`", main)
    for word in re.findall(r"`([^`]+)`", main + variants):
        field, _, value = word.partition("=")
        assert field in own
        if value:
            default = own[field].default
            KINDS[name](**{field: value if isinstance(default, str) else float(value)})
            assert value != str(default)


def test_it_says_which_need_a_teacher():
    alone = PAGE.partition("## Without a teacher")[2].partition("\n## ")[0]
    for name, _ in LINES:
        assert KINDS[name].needs_teacher == (f"`{name}`" not in alone)
