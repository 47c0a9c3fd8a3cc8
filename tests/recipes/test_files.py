"""Recipes by name and from a user's own files."""

import importlib.util
import sys

import pytest

from spikedistill.errors import InputError
from spikedistill.recipe import Recipe
from spikedistill.recipes import _files as recipe_files
from spikedistill.recipes import _groups, _moved, _names
from spikedistill.values.plain import from_json, to_json

RECIPE = """
from beside import WIDTHS
from spikedistill.data.digits import Digits
from spikedistill.models import MLP
from spikedistill.recipe import Recipe

mine = Recipe(Digits(), MLP(WIDTHS), 3)
"""
SECOND = '\nother = Recipe(Digits(), MLP(), 4, name="called-so")\n_part = Recipe(Digits(), MLP(), 5)\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    (tmp_path / "beside.py").write_text("WIDTHS = (7,)\n")
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    return tmp_path


def test_the_only_recipe_of_a_file_needs_no_name(folder):
    path = folder / "my.py"
    path.write_text(RECIPE)
    recipe = recipe_files.load(str(path))
    assert (recipe.name, recipe.model.hidden, recipe.epochs) == ("mine", (7,), 3)
    assert recipe_files.load(f"{path}:mine") == recipe


TAUGHT = """
from dataclasses import replace
from spikedistill import FromRecipe
from spikedistill.methods import KDSNNResponse
student = replace(mine, epochs=2, method=KDSNNResponse(), teacher=FromRecipe(mine))
unnamed = replace(student, teacher=FromRecipe(replace(mine, seed=1)))
"""


def test_a_teacher_is_named_after_its_variable(folder):
    """Its run's folder would be called recipe-... otherwise."""
    path = folder / "my.py"
    path.write_text(RECIPE + TAUGHT)
    student = recipe_files.load(f"{path}:student")
    assert (student.name, student.teacher.recipe.name) == ("student", "mine")
    assert recipe_files.load(f"{path}:unnamed").teacher.recipe.name == "recipe"


def test_one_of_several_has_to_be_named(folder):
    path = folder / "my.py"
    path.write_text(RECIPE + SECOND)
    assert recipe_files.load(f"{path}:other").name == "called-so"
    for given in (str(path), f"{path}:", f"{path}:_part"):
        with pytest.raises(InputError, match=rf"does not say which recipe.*The file holds: {path}:mine, {path}:other"):
            recipe_files.load(given)
    with pytest.raises(InputError, match="Did you mean 'other'"):
        recipe_files.load(f"{path}:othr")


def test_files_of_one_name_in_two_folders_are_two(folder):
    for k in (1, 2):
        (folder / str(k)).mkdir()
        (folder / str(k) / "my.py").write_text(
            RECIPE.replace("from beside import WIDTHS", "WIDTHS = (7,)").replace("3)", f"{k})")
        )
    assert [recipe_files.load(str(folder / str(k) / "my.py")).epochs for k in (1, 2)] == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 3\n", "The file holds: none"),
        ("x = 3\nx.y\n", r"my\.py, line 2, cannot be run: AttributeError"),
        ("import sys\nsys.exit(0)\n", r"my\.py, line 2, ends the program \(sys\.exit\)"),
        ("raise SystemExit\n", r"my\.py, line 1, ends the program"),
        ("import leaves\n", r"my\.py, line 1, ends the program"),
        ("def f(): f()\nf()\n", r"my\.py, line 1, cannot be run: RecursionError"),
        ("def :\n", r"my\.py cannot be run: SyntaxError"),
        (
            "from spikedistill.optim.optimizers import SGD\nSGD(0.0)\n",
            r"my\.py: learning_rate must be a finite number above 0",
        ),
        ("import not_there\n", r"my\.py, line 1, cannot be run: ModuleNotFoundError"),
    ],
)
def test_files_that_cannot_be_used(folder, content, message):
    (folder / "my.py").write_text(content)
    with pytest.raises(InputError, match=message):
        recipe_files.load(str(folder / "my.py"))


def test_a_file_that_is_not_there(folder):
    with pytest.raises(InputError, match=r"There is no recipe file .*absent\.py"):
        recipe_files.load(str(folder / "absent.py"))


def test_unknown_names_get_the_nearest():
    with pytest.raises(InputError, match=r"Unknown recipe 'digits-teachr'\. Did you mean 'digits-teacher'"):
        recipe_files.load("digits-teachr")


def test_a_file_that_is_not_python(folder):
    for name in ("README.md", "Makefile", ""):
        (folder / (name or "x")).write_text("# Not a program\n")
        with pytest.raises(InputError, match=r"is no Python file: its name does not end in \.py"):
            recipe_files.run_file(folder / name)
    with pytest.raises(InputError, match="There is no recipe file"):
        recipe_files.run_file(folder / ("x" * 5000 + ".py"))


HELPERS = """
from dataclasses import replace
from spikedistill.recipes.digits import scratch, teacher as from_elsewhere
from spikedistill.data.digits import Digits
from spikedistill.models import MLP
from spikedistill.recipe import Recipe

widths = (5, 6)
rows = {}

def wide(width):
    return Recipe(Digits(), MLP((width,)), 3)

for width in widths:
    rows[width] = wide(width)
for recipe in rows.values():
    globals()[f"wide_{recipe.model.hidden[0]}"] = recipe
if widths:
    narrow: Recipe = wide(2)
table = [narrow, *rows.values()]
"""


def test_a_file_can_have_helpers_loops_and_tables(folder):
    """What its names hold decides; what it imports, or a loop leaves behind, is not its own."""
    path = folder / "my.py"
    path.write_text(HELPERS)
    assert set(recipe_files.recipes_of(path)) == {"wide_5", "wide_6", "narrow"}
    assert recipe_files.load(f"{path}:wide_6").model.hidden == (6,)
    assert recipe_files.load(f"{path}:scratch").name == "digits-scratch"  # asked for, it is there
    with pytest.raises(InputError, match="does not say which recipe"):
        recipe_files.load(f"{path}:widths")


@pytest.fixture
def shipped_folder(tmp_path, monkeypatch):
    """A folder of recipes of the library's own, to which a test adds files."""
    monkeypatch.setattr(_names, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    return tmp_path


def test_a_helper_in_a_shipped_file_is_no_recipe(shipped_folder):
    """`list` and `cite` failed on it."""
    (shipped_folder / "mine_too.py").write_text(HELPERS)
    assert set(recipe_files.shipped()) == {"mine-too-wide-5", "mine-too-wide-6", "mine-too-narrow"}
    assert recipe_files.load("mine-too-wide-5").name == "mine-too-wide-5"
    with pytest.raises(InputError, match=r"mine-too-rows is no recipe\."):
        recipe_files.load("mine-too-rows")
    with pytest.raises(InputError, match=r"mine-too-narow is no recipe\. Did you mean 'mine-too-narrow'"):
        recipe_files.load("mine-too-narow")  # the file makes names that its text does not show


def test_names_that_cannot_be_are_answered_without_running_anything(shipped_folder):
    (shipped_folder / "heavy.py").write_text(
        "import not_there\nfor k in range(2):\n    (a, _b), c = 1, 2\nd: int = 3\n"
    )
    assert set(_names.possible()) == {"heavy-a", "heavy-c", "heavy-d"}
    with pytest.raises(InputError, match=r"Unknown recipe 'heavy-dd'\. Did you mean 'heavy-d'"):
        recipe_files.load("heavy-dd")
    with pytest.raises(InputError, match="ModuleNotFoundError"):
        recipe_files.load("heavy-d")


def test_the_text_of_shipped_files_names_all_their_recipes():
    assert set(recipe_files.shipped()) <= set(_names.possible())


OLD = """
from dataclasses import replace

from spikedistill.data import Augment, Dataset, Split
from spikedistill.data.cifar10 import CIFAR10
from spikedistill.data.dataset import Augment as SameAugment
from spikedistill.data.digits import Digits
from spikedistill.data.mnist import MNIST, FashionMNIST
from spikedistill.methods import TET, TSER, CrossEntropy, KDSNNResponse, Method, VanillaKD
from spikedistill.methods.cross_entropy import CrossEntropy as SameCrossEntropy
from spikedistill.models import MLP, WRN, ConvNet, Model, ResNet
from spikedistill.neurons import IF, LIF, PLIF, ATan, Neuron, ReLU, Sigmoid, Surrogate
from spikedistill.optim import SGD, Adam, AdamW, Constant, Cosine, Optimizer, Schedule, Step
from spikedistill.recipe import FromModule, FromRecipe, FromRun, Recipe, Teacher

data = CIFAR10(augment=Augment(crop=4, flip=True, policy="cifar10", cutout=16), train_size=500)
teacher = Recipe(data=data, model=ResNet(18), neuron=ReLU(), optimizer=SGD(learning_rate=0.1), epochs=2)
student = replace(
    teacher, model=WRN(16, 2), neuron=LIF(tau=3.0, surrogate=ATan(2.0)), steps=4, schedule=Cosine(warmup_epochs=0.5),
    method=TSER(alpha=0.9), teacher=FromRecipe(teacher), name="old-student",
)
shifted = replace(student, data=replace(data, augment=Augment(crop=2)), teacher=FromModule("a:b", mean=(0.5,) * 3))
"""


def test_a_file_of_version_0_1_that_constructs_values_goes_on_working(folder):
    path = folder / "old.py"
    path.write_text(OLD)
    recipes = recipe_files.recipes_of(path)
    assert set(recipes) == {"teacher", "student", "shifted"}
    student = recipes["student"]
    assert student.teacher.recipe == recipes["teacher"]
    assert [type(kind).__name__ for kind in student.data.augment] == ["Crop", "Flip", "AutoAugment", "Cutout"]
    assert from_json(Recipe, to_json(student)) == student


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("IF(backward='rate')", r"The backward pass is the recipe's now: Recipe\(backward=\.\.\.\)"),
        ("FromRecipe(teacher, cache='there')", r"Recipe\(cache=\.\.\.\)"),
        ("FromRecipe(teacher, views=3)", r"Recipe\(views=\.\.\.\)"),
        ("FromRun('there', weights_digest='12')", "is called digest now"),
        ("replace(Augment(crop=1), crop=2)", r"call it anew, Augment\(crop=2\)"),
        ("import spikedistill.taps", r"spikedistill\.taps is spikedistill\.models\.taps since version 0\.2"),
        ("from spikedistill.evaluate.run import x", r"is spikedistill\.runs\.evaluate since"),
    ],
)
def test_what_version_0_1_called_otherwise_is_said(folder, line, message):
    (folder / "old.py").write_text(OLD + line + "\n")
    with pytest.raises(InputError, match=message):
        recipe_files.run_file(folder / "old.py")


@pytest.mark.parametrize("old", _moved.MODULES)
def test_what_moved_is_not_there_any_more_and_is_where_it_is_said_to_be(old):
    assert importlib.util.find_spec(f"spikedistill.{_moved.MODULES[old]}") is not None
    assert importlib.util.find_spec(f"spikedistill.{old}") is None


@pytest.mark.parametrize("name", ["start here", "published", "experiments"])
def test_every_group_has_recipes(name):
    assert name in {_groups.group_of(path) for path in _names.recipe_files()}


def test_a_group_that_there_is_not(tmp_path):
    (tmp_path / "x.py").write_text('GROUP = "starters"\n')
    with pytest.raises(ValueError, match=r"GROUP of .* is 'starters'; allowed: start here, published, experiments"):
        _groups.group_of(tmp_path / "x.py")
