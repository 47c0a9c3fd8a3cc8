"""What there is, and what is to be cited: `list` and `cite`."""

import json

import pytest

from spikedistill.cli import cite as citations
from spikedistill.cli import listing
from spikedistill.errors import InputError
from spikedistill.methods import methods
from spikedistill.models import models
from spikedistill.recipes import _files as recipe_files

OWN = '''
from dataclasses import dataclass
from spikedistill.data import Dataset
from spikedistill.data.digits import Digits
from spikedistill.methods import CrossEntropy
from spikedistill.models import MLP, Model
from spikedistill.recipe import Recipe

CITATION = """
@misc{me2026bolder,
  title  = {Bolder},
  author = {Me},
  year   = {2026}
}
"""

@dataclass(frozen=True)
class Bolder(CrossEntropy):
    """Twice as bold. It helps."""
    name = "bolder"

@dataclass(frozen=True)
class Mine(Model):
    name = "mine"

@dataclass(frozen=True, kw_only=True)
class Files(Dataset):
    """Needs a path."""
    name = "files"
    path: str

loud = Recipe(Digits(train_size=128), MLP((9,)), 1, method=Bolder(), batch_size=64)
plain = Recipe(Digits(train_size=128), MLP((9,)), 1, batch_size=64)
'''


@pytest.fixture
def own(tmp_path):
    (tmp_path / "my.py").write_text(OWN)
    return "my.py"


def test_list(cli):
    code, out, err = cli("list")
    assert (code, err) == (0, "")
    code, text, _ = cli("list", "--json")
    parts = json.loads(text)
    assert set(parts) == set(listing.PARTS)
    assert {row["name"] for row in parts["recipes"]} == set(recipe_files.shipped())
    assert {row["name"] for row in parts["methods"]} >= set(methods())
    assert {row["name"] for row in parts["models"]} >= set(models())
    for row in parts["models"]:
        if row["name"] in models() and row["name"] not in ("module", "twin"):  # one's own networks
            assert row["parameters"] > 0 < row["macs"]
    for rows in parts.values():
        assert all(row["name"] for row in rows)
    for title in parts:
        assert title in out


def test_the_whole_list_is_short_and_begins_with_what_to_try_first(command):
    """In a process of its own: the kinds that other tests define would be listed too. Tables share a line."""
    lines = command("list").stdout.splitlines()
    assert len(lines) < 140
    assert sum(line.startswith("  standin-minutes-") for line in lines) == 1
    assert lines[0] == "recipes: start here"
    assert lines[1].startswith("  digits-teacher ")
    assert "`spikedistill table` lists them" in lines[lines.index("tables") + 1]
    places = [lines.index(f"recipes: {group}") for group in ("start here", "published", "experiments")]
    assert places == sorted(places)
    assert (
        max(places) < next(k for k, line in enumerate(lines) if "precision-on-mnist" in line) < lines.index("methods")
    )


@pytest.mark.parametrize("part", [part for part in listing.PARTS if part not in ("models", "kernels")])
def test_one_part_of_the_list(part, cli):
    code, out, err = cli("list", part)
    assert (code, err) == (0, "")
    titles = {line.partition(":")[0] for line in out.splitlines() if line and line[0] != " "}
    assert titles == {part}


def test_lists_end_where_the_terminal_does(cli, monkeypatch):
    monkeypatch.setattr(listing, "terminal_width", lambda: 60)
    out = cli("list", "recipes")[1]
    assert max(map(len, out.splitlines())) == 60
    assert "..." in out


def test_what_ones_own_files_add_is_listed(cli, own):
    code, out, err = cli("list", "--import", own)
    assert (code, err) == (0, "")
    for start in ("  bolder  ", "  mine  ", "  files  "):
        assert any(line.startswith(start) for line in out.splitlines())
    assert "Twice as bold\n" in out
    code, text, _ = cli("list", "methods", "--import", own, "--json")
    assert {"name": "bolder", "what": "Twice as bold"} in json.loads(text)["methods"]


def test_a_part_that_there_is_not(cli):
    code, out, err = cli("list", "method")
    assert (code, out) == (2, "")
    assert "Unknown part 'method'. Did you mean 'methods'? Allowed: recipes, tables, methods, " in err


def test_cite(cli):
    for name in ("tser", "digits-tser"):
        code, out, err = cli("cite", name)
        assert (code, err) == (0, "")
        assert out.strip() == citations.bibtex(name)
        assert out.startswith("@")
    assert citations.bibtex("digits-tser").count("@") == 2
    assert citations.bibtex("kdsnn-table-2") == citations.bibtex("kdsnn")
    assert citations.bibtex("digits") == citations.bibtex("digits-tser")


def test_every_table_can_be_cited_and_none_is_a_recipe():
    tables = recipe_files.shipped_tables()
    assert set(citations.table_files()) == set(tables)
    for name in tables:
        assert "@" in citations.bibtex(name)
        with pytest.raises(InputError, match="Unknown recipe"):
            recipe_files.load(f"{name}-table")


def test_names_without_torch_are_the_names_with_it():
    assert set(citations.method_files()) == set(methods())


def test_ones_own_methods_and_recipes_are_cited(cli, own):
    for words in (("bolder", "--import", own), (f"{own}:loud",)):
        code, out, err = cli("cite", *words)
        assert (code, err) == (0, "")
        assert out.strip().startswith("@misc{me2026bolder")
    assert cli("cite", f"{own}:plain")[1].strip() == citations.bibtex("cross-entropy")


@pytest.mark.parametrize(
    "name", ["tsr", "digits-tsr", "digits-kdsn", "kdsnn-table-1-table", "x" * 10000, ""], ids=lambda name: name[:9]
)
def test_what_cannot_be_cited(name):
    with pytest.raises(InputError, match="Unknown recipe or method"):
        citations.bibtex(name)


def test_sparse_kd_is_cited_by_its_name_and_by_recipes_with_such_a_teacher(tmp_path):
    """It is a teacher, under vanilla-kd; one that another wraps counts too."""
    assert "Reversing Structural Pattern Learning" in citations.bibtex("sparse-kd")
    assert citations.bibtex("pruned") == citations.bibtex("sparse-kd")
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\n"
        "from spikedistill import load_recipe\n"
        "from spikedistill.methods import VanillaKD\n"
        "from spikedistill.teachers import Pruned\n"
        "base = load_recipe('digits-kdsnn')\n"
        "sparse = replace(base, name='sparse', method=VanillaKD(), teacher=Pruned(Pruned(base.teacher, 0.3), 0.1))\n"
    )
    cited = citations.bibtex(f"{tmp_path / 'mine.py'}:sparse")
    assert [line.split("{")[1] for line in cited.splitlines() if line.startswith("@")] == [
        "hinton2015distilling,",
        "yu2025temporal,",
        "xu2024reversing,",
    ]


def test_names_of_cited_teachers_are_kinds_or_what_papers_call_them():
    from spikedistill.recipe import Teacher
    from spikedistill.values.kinds import named_kinds

    kinds = named_kinds(Teacher)
    assert set(citations.teacher_files()) - set(kinds) == {"sparse-kd"}
    assert not set(citations.teacher_files()) & set(citations.method_files())


def test_a_method_of_no_paper_has_nothing_to_cite():
    with pytest.raises(InputError, match="sum has nothing to cite"):
        citations.bibtex("sum")
