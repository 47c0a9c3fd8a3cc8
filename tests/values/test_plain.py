"""Values as JSON and back, strictly, and their hash."""

import dataclasses
import json
import math
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikedistill.data.dataset import Augment, Dataset
from spikedistill.data.digits import Digits
from spikedistill.errors import InputError
from spikedistill.methods import TSER, Method
from spikedistill.models import ConvNet, Model
from spikedistill.neurons import LIF, PLIF, ATan, Neuron, Surrogate
from spikedistill.optim import Adam, Cosine, Optimizer, Schedule, Step
from spikedistill.optim.phases import Phase
from spikedistill.recipe import Recipe
from spikedistill.teachers import FromModule, FromRecipe, FromRun
from spikedistill.values.kinds import shipped_kinds
from spikedistill.values.plain import digest, from_json, to_json


@dataclass(frozen=True)
class Leaf:
    """One field of each type that recipes use."""

    number: int = 1
    share: float = 0.5
    flag: bool = False
    text: str = ""
    choice: Literal["a", "b"] = "a"
    shares: tuple[float, ...] = ()
    widths: tuple[int, ...] | None = None
    maybe: float | None = None


@dataclass(frozen=True)
class Branch:
    leaf: Leaf = Leaf()
    place: str = field(default="", metadata={"place": True})
    label: str = field(default="", metadata={"label": True})


numbers = st.floats(allow_nan=False, allow_infinity=False)
leaves = st.builds(
    Leaf,
    number=st.integers(),
    share=numbers,
    flag=st.booleans(),
    text=st.text(),
    choice=st.sampled_from(["a", "b"]),
    shares=st.lists(numbers).map(tuple),
    widths=st.none() | st.lists(st.integers()).map(tuple),
    maybe=st.none() | numbers,
)


@given(leaves)
def test_round_trip(leaf):
    assert from_json(Leaf, json.loads(json.dumps(to_json(leaf)))) == leaf


@given(leaves, leaves)
def test_digests_are_equal_where_values_are(one, other):
    assert (digest(one) == digest(other)) == (repr(one) == repr(other))


def test_numbers_are_written_as_they_are_annotated():
    """Or a run would lie in another folder after its recipe has been read back."""
    given_ints = Leaf(share=1, shares=(1, 2), maybe=3)
    assert json.dumps(to_json(given_ints)) == json.dumps(to_json(Leaf(share=1.0, shares=(1.0, 2.0), maybe=3.0)))
    assert digest(from_json(Leaf, to_json(given_ints))) == digest(given_ints)
    assert to_json(Leaf(number=1))["number"] == 1


BASES = (Dataset, Model, Method, Neuron, Surrogate, Optimizer, Schedule)
SHIPPED = [kind() for base in BASES for kind in shipped_kinds(base).values()]


@pytest.mark.parametrize("value", SHIPPED, ids=lambda value: type(value).__name__)
def test_every_kind_of_part_has_defaults_and_round_trips(value):
    base = next(base for base in BASES if isinstance(value, base))
    assert from_json(base, json.loads(json.dumps(to_json(value)))) == value


def test_a_whole_recipe_round_trips():
    recipe = Recipe(Digits(augment=Augment(crop=1)), ConvNet((8,), (9, 9)), 3, PLIF(surrogate=ATan(3.0)), method=TSER())
    chain = replace(recipe, teacher=FromRecipe(replace(recipe, teacher=FromRun("somewhere", "12ab"))))
    chain = replace(chain, teacher=FromRecipe(chain), optimizer=Adam(), schedule=Step(milestones=(0.25,)))
    for value in (recipe, chain, replace(recipe, teacher=FromModule("a:b", mean=(0.5,), std=(0.25,)))):
        assert from_json(Recipe, json.loads(json.dumps(to_json(value)))) == value


def changed(path, value):
    """The JSON of a recipe with one entry changed; `...` removes it."""
    plain = to_json(Recipe(Digits(), ConvNet(), 3, LIF(), schedule=Step()))
    *way, last = path.split(".")
    inner = plain
    for name in way:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return plain


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("epoch", 3, r"Unknown key recipe.epoch\. Did you mean 'epochs'"),
        ("neuron.surogate", None, r"Unknown key recipe.neuron.surogate\. Did you mean 'surrogate'"),
        ("neuron.surrogate.alpha", ..., r"Missing key recipe.neuron.surrogate.alpha"),
        ("teacher", ..., r"Missing key recipe.teacher"),
        ("epochs", "3", r"recipe.epochs is '3'; it must be of type int"),
        ("epochs", 3.0, r"recipe.epochs is 3.0; it must be of type int"),
        ("epochs", True, r"recipe.epochs is True; it must be of type int"),
        ("clip_norm", "0", r"recipe.clip_norm is '0'; it must be of type float"),
        ("clip_norm", False, r"recipe.clip_norm is False; it must be of type float"),
        ("clip_norm", math.nan, r"recipe.clip_norm is nan; it must be a finite number"),
        ("clip_norm", math.inf, r"recipe.clip_norm is inf; it must be a finite number"),
        ("data.augment", {}, r"recipe.data.augment is {}; it must be a list"),
        ("data.augment", [{"kind": "Crop"}], r"Missing key recipe.data.augment\[0\].padding"),
        ("model.channels", 3, r"recipe.model.channels is 3; it must be a list"),
        ("model.channels", [3, "4"], r"recipe.model.channels\[1\] is '4'; it must be of type int"),
        ("schedule.milestones", [0.5, None], r"recipe.schedule.milestones\[1\] is None"),
        ("precision", "fp8", r"recipe.precision is 'fp8'; allowed: 'auto', 'fp32', 'bf16'"),
        ("neuron.kind", "LIFF", r"Unknown kind of recipe.neuron 'LIFF'\. Did you mean 'LIF'"),
        ("neuron.kind", "ATan", r"Unknown kind of recipe.neuron 'ATan'"),
        ("neuron.kind", 3, r"recipe.neuron is .*; it must be an object with the key 'kind'"),
        ("neuron", None, r"recipe.neuron is None; it must be an object"),
        ("kind", "Recipes", r"Unknown kind of recipe 'Recipes'\. Did you mean 'Recipe'"),
        ("epochs", 0, r"epochs must be 1 or more, not 0"),
        ("neuron.tau", 0.0, r"tau must be"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(path, value, message):
    with pytest.raises(InputError, match=message):
        from_json(Recipe, changed(path, value), "recipe")


def test_unchanged_json_is_accepted():
    """Or the test above could pass for another reason."""
    assert from_json(Recipe, changed("epochs", 3), "recipe").epochs == 3


def test_a_field_of_floats_takes_whole_numbers():
    assert from_json(Recipe, changed("schedule.milestones", [0.5]), "recipe").schedule == Step(milestones=(0.5,))
    read = from_json(Recipe, changed("clip_norm", 1), "recipe").clip_norm
    assert (read, type(read)) == (1.0, float)


def test_the_digest_leaves_out_places_and_labels():
    assert digest(Branch(place="/a", label="b")) == digest(Branch())
    recipe = Recipe(Digits(), ConvNet(), 3)
    assert digest(replace(recipe, name="other")) == digest(recipe)
    assert digest(replace(recipe, data=Digits(root="/elsewhere"))) == digest(recipe)
    assert digest(replace(recipe, teacher=FromRun("a", "12"))) == digest(replace(recipe, teacher=FromRun("b", "12")))
    taught = replace(recipe, teacher=FromRecipe(recipe))
    assert digest(replace(taught, teacher=FromRecipe(replace(recipe, name="other")))) == digest(taught)


def leaf_changes(value, rebuild=lambda changed: changed):
    """Every value that differs from `value` in one field somewhere, with the field's path."""
    for entry in dataclasses.fields(value):
        inner = getattr(value, entry.name)

        def put(new, name=entry.name):
            return rebuild(replace(value, **{name: new}))

        if entry.metadata:
            continue
        for place, item in enumerate(inner if isinstance(inner, tuple) else ()):
            if dataclasses.is_dataclass(item):

                def put_item(new, put=put, inner=inner, place=place):
                    return put((*inner[:place], new, *inner[place + 1 :]))

                yield from ((f"{entry.name}.{place}.{path}", new) for path, new in leaf_changes(item, put_item))
        if isinstance(inner, tuple) and any(map(dataclasses.is_dataclass, inner)):
            continue
        if dataclasses.is_dataclass(inner):
            yield from ((f"{entry.name}.{path}", new) for path, new in leaf_changes(inner, put))
            continue
        for candidate in OTHERS.get(entry.name, (2, 0.25, True, "bf16", (3,), "elsewhere")):
            if type(candidate) is type(inner) and candidate != inner:
                yield entry.name, put(candidate)
                break


OTHERS = {
    "tau": (3.0,),
    "backward": ("rate",),
    "milestones": ((0.25,),),
    "policy": ("cifar10",),
    "nesterov": (True,),
    "momentum": (0.5,),
    "phases": ((Phase(1.0, rate=0.5),),),
}


def test_the_digest_changes_with_every_other_field():
    recipe = Recipe(Digits(augment=Augment(crop=4)), ConvNet(), 3, LIF(), schedule=Step(), optimizer=Adam())
    changes = dict(leaf_changes(recipe))
    assert {"epochs", "precision", "data.augment.0.padding", "neuron.surrogate.alpha", "schedule.milestones"} <= set(
        changes
    )
    digests = {digest(value) for value in changes.values()} | {digest(recipe)}
    assert len(digests) == len(changes) + 1


def test_the_digest_changes_with_the_kind():
    assert digest(Cosine()) != digest(Step(milestones=(), gamma=1.0))
    fields_alike = (LIF(), PLIF())
    assert digest(fields_alike[0]) != digest(fields_alike[1])


@dataclass(frozen=True)
class Grown:
    """Has a field that came after values had been kept."""

    old: int = 1
    new: str = field(default="as before", metadata={"added": True})


def test_a_field_that_was_added_leaves_what_was_kept_as_it_is():
    kept = {"kind": "Grown", "old": 2}
    assert to_json(Grown(2)) == kept
    assert from_json(Grown, kept) == Grown(2)
    assert digest(Grown(2)) != digest(Grown(2, "otherwise"))
    assert from_json(Grown, to_json(Grown(2, "otherwise"))) == Grown(2, "otherwise")
