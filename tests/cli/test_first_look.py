"""A mistyped option is found without torch, and no other option is."""

from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import pytest

from spikedistill.cli.first_look import all_names, check_options, recipe_fields
from spikedistill.cli.words import option
from spikedistill.errors import InputError
from spikedistill.recipe import Recipe
from spikedistill.recipes import _files as recipe_files
from spikedistill.values.change import paths
from spikedistill.values.kinds import shipped_kinds


def kinds_below(base, seen):
    """Every kind that a value below a field of this type can have, by its name on the command line."""
    for part in (base, *get_args(base)):
        if is_dataclass(part) and part not in seen:
            seen.add(part)
            for name, kind in shipped_kinds(part).items():
                yield name, kind
                for f in fields(kind):
                    yield from kinds_below(get_type_hints(kind)[f.name], seen)


def test_the_fields_of_a_recipe_are_read_from_its_source():
    assert recipe_fields() == {f.name for f in fields(Recipe)}


def test_no_option_that_there_is_is_refused():
    found = list(kinds_below(Recipe, set()))
    assert {"tser", "atan", "crop"} <= {name for name, _ in found}
    for name, kind in found:
        assert name.replace("-", "_") in all_names()
        assert {f.name for f in fields(kind)} <= all_names()


@pytest.mark.parametrize("name", recipe_files.shipped())
def test_every_option_of_every_shipped_recipe_passes(name):
    check_options([f"{option(path)}=1" for path in paths(recipe_files.load(name))], "program")


@pytest.mark.parametrize(
    "words",
    [
        "--data.augment.crop 4",
        "--data.augment.0.padding 3",
        "--neuron.no-detach-reset",
        "--help",
        "--help-all",
        "--neuron.tau -3",
        "--teacher.recipe.teacher.recipe.epochs=3",
    ],
)
def test_what_passes(words):
    check_options(words.split(), "program")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--epcohs", "Unknown option '--epcohs'. Did you mean '--epochs'? `program --help` lists all."),
        ("--epcohs=3", "Unknown option '--epcohs'. Did you mean '--epochs'?"),
        ("--devcie", "Did you mean '--device'?"),
        ("--method.alhpa", "Unknown option '--method.alhpa'. Did you mean '--method.alpha'?"),
        ("--teacher.recipe.epcohs", "Did you mean '--teacher.recipe.epochs'?"),
        ("--" + "x" * 10**6, "Unknown option '--xxx"),
        ("--", "Unknown option '--'."),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_refused(word, message):
    with pytest.raises(InputError) as caught:
        check_options(["--epochs", "3", word, "3"], "program", ("--device", "--runs"))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400
