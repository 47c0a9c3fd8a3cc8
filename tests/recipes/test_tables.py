"""Every table of this library: each row takes two steps, its budgets are values, its paper's numbers are numbers."""

from dataclasses import replace

import pytest

from spikedistill.cli.cite import bibtex
from spikedistill.recipe import everywhere, recipes_of
from spikedistill.recipes import _files as recipe_files
from spikedistill.recipes._groups import constant
from spikedistill.recipes._names import possible_tables
from spikedistill.runs.train import check, smoke_recipe

TABLES = recipe_files.shipped_tables()


def distinct_rows():
    """Rows that train something that no row before them trains."""
    seen, rows = set(), []
    for name, table in TABLES.items():
        for row in table.rows:
            if row.recipe is not None and row.recipe.hash not in seen:
                seen.add(row.recipe.hash)
                rows.append(pytest.param(row.recipe, id=f"{name}: {row.title}"))
    return rows


@pytest.mark.parametrize("recipe", distinct_rows())
def test_every_row_takes_two_steps(recipe):
    """On random images of its shape, with untrained teachers: what cannot be built or does not fit is found here."""
    smoke_recipe(recipe, "cpu")


@pytest.mark.parametrize("name", TABLES)
def test_every_table_states_its_source_and_fits_its_budgets(name):
    table = TABLES[name]
    assert table.source
    for row in table.rows:
        for budget in ("paper", "cpu") if table.cpu is not None else ("paper",):
            recipe = table.recipe(row, 3, budget)
            if recipe is not None:
                check(everywhere(recipe, lambda one: replace(one, data=one.data.without_files())))
                seeds = {one.seed for one in (recipe, *recipes_of(recipe.teacher))}
                assert seeds == {3} if table.teacher_seed == "tied" else 3 in seeds
    assert any(row.recipe is not None for row in table.rows)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_says_what_to_cite(name):
    cites = constant(possible_tables()[name], "CITES", ())
    assert cites
    for method in cites:
        assert "@" in bibtex(method)


def test_one_name_is_one_setting():
    """Within a table, and between tables that share runs, a folder's name stands for few settings: data sets differ."""
    for table in TABLES.values():
        for group in {row.group for row in table.rows}:
            named = {}
            for row in table.rows:
                if row.recipe is not None and row.group == group:
                    assert named.setdefault(row.recipe.name, row.recipe.hash) == row.recipe.hash
