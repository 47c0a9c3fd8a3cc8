"""KDSNN's tables: what they say of the noisy sets is what these are; teachers are shared, in the small budget too."""

import os

import pytest

from spikedistill.recipe import recipes_of
from spikedistill.recipes import cifar10, kdsnn_figure_3, kdsnn_table_1, kdsnn_table_2, kdsnn_table_4
from spikedistill.recipes._kdsnn import noisy_cifar, noisy_digits

VARIATIONS = ("background", "random", "rotation", "rotation-background")


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("SPIKEDISTILL_DATA"), reason="SPIKEDISTILL_DATA is not set")
@pytest.mark.parametrize(
    "data", [*map(noisy_digits, VARIATIONS), *map(noisy_cifar, (0.01, 0.03, 0.05))], ids=lambda data: data.name
)
def test_the_noisy_sets_are_what_the_table_says(data):
    """Loading compares the digests of all images with the stated ones."""
    splits = data.load()
    assert (len(splits.train), len(splits.test)) == (sum(data.train_counts), sum(data.test_counts))


@pytest.mark.parametrize("file", [kdsnn_table_1, kdsnn_table_2, kdsnn_table_4])
@pytest.mark.parametrize("budget", ["paper", "cpu"])
def test_teachers_are_rows_too_and_trained_once(file, budget):
    recipes = [file.table.recipe(row, 0, budget) for row in file.table.rows if row.recipe is not None]
    rows = {recipe.hash for recipe in recipes}
    teachers = [teacher for recipe in recipes for teacher in recipes_of(recipe.teacher)]
    assert teachers
    assert {teacher.hash for teacher in teachers} <= rows


def test_figure_3_and_the_recipes_of_cifar_10_are_runs_of_table_1():
    rows = {row.recipe.hash for row in kdsnn_table_1.table.rows}
    assert {row.recipe.hash for row in kdsnn_figure_3.table.rows} <= rows
    assert {cifar10.teacher.hash, cifar10.scratch.hash, cifar10.distilled.hash} <= rows
