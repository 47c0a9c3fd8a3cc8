"""Kinds are found in the folder of their base, a user's own wherever they were imported from."""

import subprocess
import sys
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import ClassVar, get_args, get_type_hints

import pytest

from spikedistill.errors import InputError
from spikedistill.recipe import Recipe
from spikedistill.values.kinds import kinds, named_kinds, shipped_kinds
from spikedistill.values.plain import from_json, to_json


def parts_of(hint):
    """The dataclasses that an annotation names."""
    if is_dataclass(hint):
        return {hint}
    return {part for inner in get_args(hint) for part in parts_of(inner)}


def all_bases():
    """Every class that a field of a recipe, or of a kind of its parts, is annotated with."""
    found, left = set(), {Recipe}
    while left:
        base = left.pop()
        found.add(base)
        hints = [get_type_hints(kind)[f.name] for kind in shipped_kinds(base).values() for f in fields(kind)]
        left |= {part for hint in hints for part in parts_of(hint)} - found
    return sorted(found, key=lambda base: base.__name__)


BASES = all_bases()


def test_there_are_some():
    assert {"Dataset", "Method", "Model", "Neuron", "Optimizer", "Recipe", "Schedule", "Surrogate", "Teacher"} <= {
        base.__name__ for base in BASES
    }


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.__name__)
def test_a_base_says_that_it_is_none_of_its_kinds(base):
    """Or it would be offered as one."""
    below = [kind for kind in kinds(base).values() if kind is not base and kind.__module__.startswith("spikedistill.")]
    if below and base.__mro__[1] is object:
        assert base.__name__ not in kinds(base), f"{base.__name__} needs `abstract: ClassVar[bool] = True`"


def test_the_folder_of_every_base_is_searched():
    """In a process that has imported nothing but the base: a folder that is not found would be an empty one."""
    code = "import importlib, sys; from spikedistill.values.kinds import shipped_kinds\n"
    for base in BASES:
        code += f"base = importlib.import_module({base.__module__!r}).{base.__name__}\n"
        code += f"assert set(shipped_kinds(base)) == {set(shipped_kinds(base))!r}, base\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_base_without_kinds_is_an_error():
    class Lonely:
        abstract = True

    with pytest.raises(LookupError, match=r"no kinds of .*Lonely"):
        kinds(Lonely)
    Lost = type("Lost", (), {"__module__": "spikedistill.recipe", "abstract": True, "kinds_folder": "no_such_folder"})
    with pytest.raises(ModuleNotFoundError, match="no_such_folder"):
        kinds(Lost)


def test_helpers_are_no_kinds():
    class Base:
        abstract = True

    class _Helper(Base):
        pass

    class Middle(_Helper):
        abstract = True

    class Kind(Middle):
        name = "kind-of-it"

    class Further(Kind):
        name = "further"

    assert kinds(Base) == {"Further": Further, "Kind": Kind}
    assert named_kinds(Base) == {"further": Further, "kind-of-it": Kind}
    assert shipped_kinds(Base) == {}


def test_a_subclass_of_a_value_is_another_kind_and_the_value_stays_one(student):
    """A subclass of `Recipe` or `Augment` in a user's file made every `train` fail."""

    @dataclass(frozen=True)
    class MyRecipe(Recipe):
        note: str = ""

    assert from_json(Recipe, to_json(student)) == student
    mine = MyRecipe(**vars(student), note="mine")
    assert from_json(Recipe, to_json(mine)) == mine
    for base in BASES:
        kind = next(iter(shipped_kinds(base).values()))
        own = dataclass(frozen=True)(type(f"My{kind.__name__}", (kind,), {"__module__": __name__, "name": "my"}))
        assert kind in kinds(base).values()
        assert own in kinds(base).values()
        assert own not in shipped_kinds(base).values()
    assert from_json(Recipe, to_json(replace(student, epochs=7))).epochs == 7


@dataclass(frozen=True)
class Root:
    abstract: ClassVar[bool] = True


@dataclass(frozen=True)
class Twin(Root):
    pass


def test_two_kinds_of_one_name_are_refused():
    """A user's own class of the name of one of ours would be taken for it, and its runs for the runs of ours."""
    assert from_json(Root, {"kind": "Twin"}) == Twin()
    other = type("Twin", (Root,), {"__module__": "my_file"})
    with pytest.raises(InputError, match=r"Several classes are called Twin: in my_file, .*Rename your own"):
        from_json(Root, {"kind": "Twin"})
    assert other.__module__ == "my_file"
