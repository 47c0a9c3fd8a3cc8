"""Values changed by path: what a command line, a sweep or a table asks for."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import pytest

from spikedistill.errors import InputError
from spikedistill.methods import TSER, CrossEntropy, KDSNNResponse
from spikedistill.neurons import IF, LIF, PLIF, ATan
from spikedistill.optim import SGD, Adam, Step
from spikedistill.recipe import Recipe
from spikedistill.teachers import FromRecipe
from spikedistill.values.change import change, look_up, paths
from spikedistill.values.words import Words


@dataclass(frozen=True)
class Part:
    abstract: ClassVar[bool] = True


@dataclass(frozen=True)
class Crop(Part):
    name: ClassVar[str] = "crop"
    order: ClassVar[int] = 10
    padding: int = 4
    fill: float = 0.0


@dataclass(frozen=True)
class Flip(Part):
    name: ClassVar[str] = "flip"
    order: ClassVar[int] = 20


@dataclass(frozen=True)
class CutOut(Part):
    name: ClassVar[str] = "cut-out"
    order: ClassVar[int] = 30
    length: int = 8


@dataclass(frozen=True)
class Needy(Part):
    """Has a field without a default."""

    name: ClassVar[str] = "needy"
    path: str
    times: int = 1


@dataclass(frozen=True)
class Whole:
    """One field of each type."""

    number: int = 1
    share: float = 0.5
    flag: bool = False
    text: str = ""
    choice: Literal["a", "b"] = "a"
    shares: tuple[float, ...] = ()
    pair: tuple[int, float] = (1, 2.0)
    widths: tuple[int, ...] | None = (3,)
    maybe: float | None = 1.0
    part: Part = Crop()
    some: Part | None = None
    parts: tuple[Part, ...] = ()


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [
        ("number", 3, 3),
        ("number", "3", 3),
        ("number", "-3", -3),
        ("share", "0.3", 0.3),
        ("share", 1, 1.0),
        ("share", "1e-3", 0.001),
        ("flag", True, True),
        ("flag", "true", True),
        ("flag", "No", False),
        ("flag", Words(), True),
        ("text", "3", "3"),
        ("text", "none", "none"),
        ("text", "two words", "two words"),
        ("choice", "b", "b"),
        ("shares", Words(("0.1", "2")), (0.1, 2.0)),
        ("shares", "0.1,2", (0.1, 2.0)),
        ("shares", (1, 0.5), (1.0, 0.5)),
        ("shares", [1], (1.0,)),
        ("shares", Words(), ()),
        ("pair", "3,4", (3, 4.0)),
        ("widths", "none", None),
        ("widths", None, None),
        ("widths", ["7", "8"], (7, 8)),
        ("maybe", "None", None),
        ("maybe", "2", 2.0),
        ("part", "flip", Flip()),
        ("part", Crop(2), Crop(2)),
        ("some", "crop", Crop()),
        ("some", "none", None),
        ("parts", "crop,flip", (Crop(), Flip())),
        ("parts", Words(("flip", "crop")), (Flip(), Crop())),
        ("parts", (Crop(1), Flip()), (Crop(1), Flip())),
        ("parts", "none", ()),
    ],
)
def test_what_is_given_is_read_as_the_field_says(path, given, expected):
    begun = Whole(some=Flip(), parts=(CutOut(),))
    changed = change(begun, {path: given})
    assert changed == replace(begun, **{path: expected})
    assert type(getattr(changed, path)) is type(expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nmber": 3}, "Unknown option 'nmber'. Did you mean 'number'?"),
        ({"padding": 3}, "Unknown option 'padding'. Did you mean 'part.padding'?"),
        ({"part.pading": 3}, "Did you mean 'part.padding'? Options of crop: part.padding, part.fill."),
        ({"part.length": 3}, "length is a field of cut-out, not of crop: put one in place with part cut-out."),
        ({"number.x": 3}, "Unknown option 'number.x'. number has no fields."),
        ({"some.padding": 3}, "There is no some here. Name one first: some."),
        ({"part": "corp"}, "Unknown part 'corp'. Did you mean 'crop'? Allowed: crop, cut-out, flip, needy."),
        ({"part": ""}, "Unknown part ''."),
        ({"part": Words(("crop", "flip"))}, "part takes one name, not 2: 'crop flip'."),
        ({"part": "none"}, "Unknown part 'none'"),
        ({"number": "3.5"}, "number: must be a whole number, not '3.5'"),
        ({"number": 3.5}, "whole.number is 3.5; it must be of type int"),
        ({"number": True}, "whole.number is True; it must be of type int"),
        ({"number": Words()}, "number takes one value, and was given none. It is a whole number."),
        ({"number": Words(("1", "2"))}, "number takes one value, not 2: '1 2'."),
        ({"number": "9" * 5000}, "number: must be a whole number, not '999"),
        ({"share": "nan"}, "share: must be a finite number, not 'nan'"),
        ({"share": "1e999"}, "share: must be a finite number"),
        ({"share": float("inf")}, "whole.share is inf; it must be a finite number"),
        ({"flag": "maybe"}, "flag: must be true or false, not 'maybe'"),
        ({"flag": "none"}, "flag: must be true or false, not 'none'"),
        ({"choice": "bb"}, "choice: must be one of a, b, not 'bb'. Did you mean 'b'?"),
        ({"shares": "0.1,x"}, "shares: must be a finite number, not 'x'"),
        ({"pair": "3"}, "pair takes 2 values, not 1"),
        ({"part": "needy"}, "part.path has no default. Say what it is."),
        ({"parts": "crop", "parts.needy.times": "3"}, "parts.1.path has no default"),
        ({"parts.corp": "3"}, "Unknown option 'parts.corp'. Did you mean 'parts.crop'? Allowed: crop, cut_out, "),
        ({"parts.1.padding": 3}, "Unknown option 'parts.1'. parts has 1 entries, counted from 0."),
        ({"parts.flip": "3"}, "parts.flip has no fields: it is there, or it is not. Give true or none."),
        ({"no_number": Words()}, "whole.number is False; it must be of type int"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(changes, message):
    with pytest.raises(InputError) as caught:
        change(Whole(parts=(CutOut(),)), changes)
    assert message in str(caught.value)


def test_a_flag_is_turned_off():
    assert change(Whole(flag=True), {"no_flag": Words()}) == Whole()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"parts.crop.padding": "2"}, (Crop(2), CutOut())),
        ({"parts.crop": "2"}, (Crop(2), CutOut())),
        ({"parts.crop": 2}, (Crop(2), CutOut())),
        ({"parts.crop": Words()}, (Crop(), CutOut())),
        ({"parts.crop": "true", "parts.crop.fill": "0.5"}, (Crop(4, 0.5), CutOut())),
        ({"parts.cut_out": "2"}, (CutOut(2),)),
        ({"parts.0.length": 2}, (CutOut(2),)),
        ({"parts.0": CutOut(3)}, (CutOut(3),)),
        ({"parts.flip": True}, (Flip(), CutOut())),
        ({"parts.cut_out": "none"}, ()),
        ({"parts.cut_out": "0"}, ()),
        ({"parts.cut_out": None}, ()),
        ({"parts.crop": "0"}, (CutOut(),)),
        ({"parts.flip": "false"}, (CutOut(),)),
        ({"parts": "flip", "parts.crop": 1}, (Crop(1), Flip())),
        ({"parts.needy.path": "here"}, (CutOut(), Needy("here"))),
    ],
)
def test_elements_are_addressed_by_kind_or_place(changes, expected):
    """One that is missing is added where its `order` says; `none` and 0 take it out."""
    assert change(Whole(parts=(CutOut(),)), changes).parts == expected


def test_two_elements_of_one_kind_are_told_apart_by_place():
    twice = Whole(parts=(Crop(1), Crop(2)))
    with pytest.raises(InputError, match=r"could be any of 2: say parts\.0 or parts\.1"):
        change(twice, {"parts.crop": 3})
    assert change(twice, {"parts.1.padding": 3}).parts == (Crop(1), Crop(3))


def test_fields_that_depend_on_each_other_change_together(student):
    """Neither of the two alone is a value."""
    data = student.data
    most = sum(data.train_counts)
    begun = replace(student, data=replace(data, train_size=most - 1, validation=1))
    changed = change(begun, {"data.validation": most - 1, "data.train_size": 1})
    assert (changed.data.validation, changed.data.train_size) == (most - 1, 1)


def test_parts_are_put_in_place_before_their_fields_whatever_the_order(taught):
    recipe = taught(TSER(alpha=0.9))
    changes = {"neuron.surrogate.alpha": 3, "neuron.tau": "3", "method.temperature": 2, "neuron": "lif"}
    changed = change(recipe, changes | {"method": "kdsnn", "neuron.surrogate": "atan"})
    assert changed.neuron == LIF(tau=3.0, surrogate=ATan(3.0))
    assert changed.method == KDSNNResponse(temperature=2.0)
    assert (changed.teacher, changed.model, changed.epochs) == (recipe.teacher, recipe.model, recipe.epochs)


def test_teachers_of_teachers_are_reached(taught):
    recipe = taught(TSER())
    recipe = replace(recipe, teacher=FromRecipe(recipe))
    changed = change(recipe, {"teacher.recipe.teacher.recipe.epochs": 9, "teacher.recipe.neuron": "plif"})
    assert changed.teacher.recipe.teacher.recipe.epochs == 9
    assert type(changed.teacher.recipe.neuron) is PLIF
    assert replace(changed, teacher=recipe.teacher) == recipe


def test_nothing_changes_without_changes(student):
    assert change(student, {}) == student


def test_a_reader_names_parts_by_more_than_their_kind(student):
    readers = {Recipe: lambda word: replace(student, epochs=int(word))}
    taught = change(student, {"method": "kdsnn", "teacher": FromRecipe(student)})
    assert change(taught, {"teacher.recipe": "17"}, readers).teacher.recipe.epochs == 17


def test_messages_spell_paths_as_asked(student):
    with pytest.raises(InputError, match=r"Unknown option '<neuron\.tua>'\. .*<neuron\.threshold>"):
        change(student, {"neuron.tua": 3}, spell=lambda path: f"<{path}>")


def test_what_an_exchanged_part_has_lost_is_said(student):
    said = []
    begun = replace(student, optimizer=SGD(0.5, nesterov=True), method=CrossEntropy(label_smoothing=0.25))
    change(begun, {"optimizer": "adam", "method": "kdsnn", "method.alpha": 0.1}, say=said.append)
    assert said == [
        "learning_rate 0.5 of sgd is not carried over",
        "label_smoothing 0.25 of cross-entropy is not carried over",
    ]
    said.clear()
    change(begun, {"optimizer": "adam", "optimizer.learning_rate": 0.5}, say=said.append)
    assert said == []
    change(replace(student, optimizer=Adam(1e-3)), {"optimizer": "sgd", "schedule": Step()}, say=said.append)
    assert said == []


def test_every_path_leads_somewhere(taught):
    recipe = taught(TSER())
    for path in paths(recipe):
        assert look_up(recipe, path) is not None or path.endswith(("teacher", "v_init", "reset"))
        if path not in ("teacher", "data.augment"):
            assert change(recipe, {path: look_up(recipe, path)}) == recipe
    assert look_up(recipe, "teacher.recipe.neuron") == recipe.teacher.recipe.neuron
    assert look_up(replace(recipe, neuron=IF()), "neuron.tau") is None
