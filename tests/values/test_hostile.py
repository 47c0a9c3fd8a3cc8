"""JSON that was not written by this library: one clear line each, never a RecursionError or OverflowError."""

import json
from dataclasses import dataclass, replace

import pytest

from spikedistill.errors import InputError
from spikedistill.recipe import Recipe
from spikedistill.teachers import FromRecipe
from spikedistill.values.plain import digest, from_json, parse_json, to_json


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 10**5 + "]" * 10**5, "nested more than"),
        ("[" * 100 + "]" * 100, "nested more than"),
        ('{"a":' * 10**5 + "1" + "}" * 10**5, "nested more than"),
        ("9" * 5000, "not JSON"),
        ("[NaN]", "NaN is no number of JSON"),
        ("[-Infinity]", "no number of JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("", "not JSON"),
    ],
)
def test_text_that_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_json(text)


def test_text_that_is_read():
    assert parse_json('{"a": [1, 2.5, null, "b"]}') == {"a": [1, 2.5, None, "b"]}


def test_a_number_that_no_float_holds(student):
    plain = to_json(student) | {"clip_norm": 10**400}
    with pytest.raises(InputError, match=r"recipe\.clip_norm is .*finite number"):
        from_json(Recipe, json.loads(json.dumps(plain)), "recipe")
    with pytest.raises(InputError, match="clip_norm"):
        replace(student, clip_norm=10**400)


def chain(recipe, teachers):
    for _ in range(teachers):
        recipe = replace(recipe, teacher=FromRecipe(recipe))
    return recipe


def test_chains_of_teachers_have_an_end(student):
    deep = chain(student, 20)
    assert from_json(Recipe, to_json(deep)) == deep
    deeper = chain(student, 400)
    with pytest.raises(InputError, match="nested more than"):
        digest(deeper)
    plain = to_json(student)
    for _ in range(400):
        plain = to_json(student) | {"teacher": to_json(FromRecipe(student)) | {"recipe": plain}}
    with pytest.raises(InputError, match="nested more than"):
        from_json(Recipe, plain)


def test_a_teacher_that_is_itself(student):
    teacher = FromRecipe(student)
    object.__setattr__(teacher, "recipe", replace(student, teacher=teacher))
    with pytest.raises(InputError, match="Is a teacher its own teacher"):
        to_json(teacher.recipe)


@dataclass(frozen=True)
class Pair:
    size: tuple[int, float] = (1, 2.0)


def test_a_tuple_of_two_has_two_entries():
    assert from_json(Pair, to_json(Pair((3, 4)))) == Pair((3, 4.0))
    assert to_json(Pair((3, 4)))["size"] == [3, 4.0]
    for wrong in ([1], [1, 2.0, 3], ["1", 2.0]):
        with pytest.raises(InputError, match=r"Pair\.size"):
            from_json(Pair, {"kind": "Pair", "size": wrong})
