"""Options that change a recipe: how they are spelled, what they mean, and what a run is then called."""

import re
from dataclasses import replace

import pytest

from spikedistill.cli import options
from spikedistill.cli.words import option, parse
from spikedistill.data.augment import AutoAugment, Crop, Cutout, Flip
from spikedistill.data.digits import Digits
from spikedistill.errors import InputError
from spikedistill.neurons import ATan, ReLU
from spikedistill.optim import AdamW
from spikedistill.optim.phases import Phase
from spikedistill.recipe import Method, Recipe
from spikedistill.recipes import _files as recipe_files
from spikedistill.teachers import FromModule, FromRecipe, FromRun
from spikedistill.values.kinds import named_kinds


@pytest.fixture
def override(capsys):
    """A function that tells the recipe that a command would train, and what it says on stderr."""

    def change(name, *words):
        recipe = recipe_files.load(name) if isinstance(name, str) else name
        changed = options.override(recipe, words, "spikedistill train x")
        change.said = capsys.readouterr().err
        return changed

    return change


def test_words_are_read_as_options():
    assert parse(["--a.b-c", "1", "2", "--flag", "--x=-3", "--y", "-3", "--z", "-.5", "--e="]) == {
        "a.b_c": ("1", "2"),
        "flag": (),
        "x": ("-3",),
        "y": ("-3",),
        "z": ("-.5",),
        "e": ("",),
    }
    assert parse(["--a", "1", "--a", "2"]) == {"a": ("2",)}
    assert option("method.label_smoothing") == "--method.label-smoothing"
    for words in (["3"], ["--a", "-b"], ["-e", "3"]):
        with pytest.raises(InputError, match=r"Unexpected '.*'\. Options are"):
            parse(words)


def test_fields(override):
    recipe = override("digits-tser", "--method.alpha", "0.3", "--epochs=5", "--seed", "7", "--data.root", "/data")
    assert (recipe.method.alpha, recipe.epochs, recipe.seed, recipe.data.root) == (0.3, 5, 7, "/data")
    untouched = recipe_files.load("digits-tser")
    assert (recipe.model, recipe.teacher, recipe.neuron) == (untouched.model, untouched.teacher, untouched.neuron)
    assert override("digits-tser", "--neuron.detach-reset").neuron.detach_reset is True
    assert override("digits-tser", "--neuron.detach-reset", "true").neuron.detach_reset is True
    assert override("cifar10-scratch", "--neuron.no-detach-reset").neuron.detach_reset is False
    assert override("digits-tser", "--neuron.reset", "None").neuron.reset is None


def test_whole_parts(override):
    recipe = override(
        "digits-tser", "--method.temperature", "2", "--method", "kdsnn", "--neuron", "lif", "--neuron.tau", "3"
    )
    assert (recipe.method.name, recipe.method.temperature) == ("kdsnn", 2.0)
    assert (type(recipe.neuron).__name__, recipe.neuron.tau) == ("LIF", 3.0)
    recipe = override("digits-scratch", "--neuron.surrogate", "atan", "--model", "mlp", "--model.hidden", "30", "20")
    assert (recipe.neuron.surrogate, recipe.model.hidden) == (ATan(), (30, 20))
    words = ("--optimizer=adamw", "--schedule", "step", "--schedule.milestones", "0.3", "0.6")
    recipe = override("digits-scratch", *words)
    assert (recipe.optimizer, recipe.schedule.milestones) == (AdamW(), (0.3, 0.6))
    recipe = override("digits-tser", "--teacher.recipe.neuron", "plif", "--teacher.recipe.epochs", "3")
    assert (type(recipe.teacher.recipe.neuron).__name__, recipe.teacher.recipe.epochs) == ("PLIF", 3)


@pytest.mark.parametrize("part", ["data", "model", "neuron", "norm", "method", "optimizer", "schedule"])
def test_every_kind_can_be_chosen(part, override):
    untouched = recipe_files.load("digits-scratch")
    base = next(kind for kind in type(getattr(untouched, part)).__mro__[::-1][1:])
    for name, kind in named_kinds(base).items():
        if kind.__module__.startswith("spikedistill."):
            assert type(getattr(override("digits-scratch", f"--{part}", name), part)) is kind


def test_teachers(override, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = ("digits-scratch", "--method", "kdsnn", "--teacher")
    teacher = recipe_files.load("digits-teacher")
    assert override(*base, "digits-teacher").teacher == FromRecipe(teacher)
    assert override(*base, "my.pytorch_zoo:make").teacher == FromModule("my.pytorch_zoo:make")
    (tmp_path / "a-run").mkdir()
    assert override(*base, "a-run").teacher == FromRun("a-run")
    assert override("digits-tser", "--method", "cross-entropy", "--teacher", "none").teacher is None
    assert override("digits-tser", "--teacher.recipe", "digits-scratch").teacher.recipe.name == "digits-scratch"


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("digits-tser", "--epocs 3", "Unknown option '--epocs'. Did you mean '--epochs'?"),
        ("digits-tser", "--method.alhpa=3", "Unknown option '--method.alhpa'. Did you mean '--method.alpha'? Options"),
        ("digits-tser", "--methd kdsnn", "Unknown option '--methd'. Did you mean '--method'?"),
        ("digits-tser", "--alpha 1", "Did you mean '--neuron.surrogate.alpha' or '--method.alpha'?"),
        ("digits-tser", "--method kdsn", "Unknown method 'kdsn'. Did you mean 'kdsnn'?"),
        ("digits-tser", "--method", "Unknown method ''. Allowed: "),
        ("digits-tser", "--neuron.surrogate ata", "Unknown surrogate 'ata'. Did you mean 'atan'?"),
        ("digits-tser", "--neuron.tau 3", "tau is a field of lif, not of if: put one in place with --neuron lif."),
        ("digits-tser", "--teacher digits-teachr", "Did you mean 'digits-teacher'?"),
        ("digits-tser", "--teacher.recipe digits-teachr", "Did you mean 'digits-teacher'?"),
        ("digits-tser", "--teacher.recipe", "Unknown recipe ''"),
        ("digits-tser", "--teacher.epochs 3", "Unknown option '--teacher.epochs'. "),
        ("digits-tser", "--teacher " + "x" * 5000, "A teacher is a recipe"),
        ("digits-tser", "--teacher fromrun", "--teacher.folder has no default"),
        ("digits-scratch", "--teacher.recipe.epochs 3", "There is no teacher here. Name one first: --teacher."),
        ("digits-tser", "--epochs two", "--epochs: must be a whole number, not 'two'"),
        ("digits-tser", "--epochs 3.5", "--epochs: must be a whole number"),
        ("digits-tser", "--epochs", "--epochs takes one value, and was given none"),
        ("digits-tser", "--epochs 3 4", "--epochs takes one value, not 2"),
        ("digits-tser", "--epochs 99999999999999999999999", "epochs must be at most"),
        ("digits-tser", "--steps 1000000000", "steps must be at most"),
        ("digits-tser", "--steps -1", "steps must be 1 or more, not -1"),
        ("digits-tser", "--precision fp8", "--precision: must be one of auto, fp32, bf16, not 'fp8'"),
        ("digits-tser", "--neuron lif --neuron.tau 0.5", "tau must be"),
        ("digits-tser", "--neuron.threshold nan", "--neuron.threshold: must be a finite number, not 'nan'"),
        ("digits-scratch", "--method.alpha 1", "alpha is a field of "),
        ("digits-tser", "kdsnn", "Unexpected 'kdsnn'"),
        ("digits-tser", "--name a/b", "name must be letters"),
        ("digits-tser", "--name " + "a" * 5000, "name must be at most 200 bytes long, not 5000"),
        ("digits-tser", "--help neron", "Unknown part 'neron'. Did you mean 'neuron'?"),
    ],
)
def test_wrong_words(name, words, message, override):
    with pytest.raises(InputError) as caught:
        override(name, *words.split())
    assert message in str(caught.value)
    given, _, meant = str(caught.value).partition(" Did you mean ")
    assert not meant or meant.partition("'")[2].partition("'")[0] not in re.findall("'(.*?)'", given)


def test_a_teacher_of_other_data_has_to_be_named(override):
    """`--data mnist` kept the teacher of the old data."""
    for words in (("--data", "mnist"), ("--data", "mnist", "--teacher.recipe.epochs", "3")):
        with pytest.raises(InputError, match=r"learned digits, and the student is to learn mnist\. Name a teacher too"):
            override("digits-tser", *words)
    assert override("digits-tser", "--data", "mnist", "--teacher", "mnist-teacher").data.name == "mnist"
    both = override("digits-tser", "--data", "mnist", "--teacher.recipe.data", "mnist")
    assert both.teacher.recipe.data.name == "mnist"
    assert override("digits-scratch", "--data", "mnist").data.name == "mnist"
    deep = replace(recipe_files.load("digits-tser"), name="deep")
    with pytest.raises(InputError, match="The teacher digits-teacher learned digits"):
        override(replace(deep, teacher=FromRecipe(deep)), "--data", "mnist", "--teacher.recipe.data", "mnist")


def test_what_is_not_carried_over_is_said(override):
    override("digits-scratch", "--data", "mnist")
    assert override.said == "Note: train_size 100 of digits is not carried over.\n"
    override("digits-scratch", "--data", "mnist", "--data.train-size", "100")
    assert override.said == ""


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("", "digits-tser"),
        ("--epochs 200", "digits-tser"),  # as it was
        ("--seed 3", "digits-tser"),
        ("--teacher.recipe.seed 3", "digits-tser"),
        ("--data.root /data", "digits-tser"),
        ("--name my", "my"),
        ("--name my --epochs 3", "my"),
        ("--epochs 3", "digits-tser+epochs=3"),
        ("--method kdsnn --seed 1", "digits-tser+method=kdsnn"),
        ("--method.label-smoothing 0.1 --steps 2", "digits-tser+method.label-smoothing=0.1+steps=2"),
        ("--model.channels 4 8", "digits-tser+model.channels=4,8"),
        ("--neuron.detach-reset", "digits-tser+neuron.detach-reset=true"),
        ("--teacher ./some/where", "digits-tser+teacher=where"),
        ("--teacher a.b:c", "digits-tser+teacher=a.b-c"),
    ],
)
def test_runs_are_named_after_what_was_overridden(words, name, override, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some" / "where").mkdir(parents=True)
    assert override("digits-tser", *words.split()).name == name


def test_a_teacher_that_is_overridden_is_named_so_too(override):
    """Or its runs would lie among those of the recipe as it is."""
    recipe = override("digits-tser", "--teacher.recipe.epochs", "2", "--teacher.recipe.seed", "5")
    assert recipe.name == "digits-tser+teacher.recipe.epochs=2"
    assert recipe.teacher.recipe.name == "digits-teacher+epochs=2"
    recipe = override("digits-tser", "--teacher.recipe.epochs", "2", "--teacher.recipe.name", "quick")
    assert recipe.teacher.recipe.name == "quick"


def test_names_have_an_end(override):
    recipe = override("digits-tser", "--model.channels", *("12345" for _ in range(15)), "--model.hidden", "12345")
    assert len(recipe.name) == options.LONGEST_NAME
    assert recipe.name.startswith("digits-tser+model.channels=12345,12345,")
    assert recipe.name.endswith("...")


@pytest.mark.parametrize("words", ["--help", "-h", "--epochs 3 --help"])
def test_help_is_about_the_recipe(words, override, capsys):
    with pytest.raises(SystemExit):
        override("digits-tser", *words.split())
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 130
    for said in ("--method.alpha FLOAT", "[0.9]", "--neuron {", "cross-entropy", "Passes over the training set [200]"):
        assert said in text
    assert "--teacher.recipe.epochs" not in text


def test_help_is_short_and_breaks_no_name(command):
    """In a process of its own: data sets of other tests are choices too."""
    text = command("train", "digits-tser", "--help").stdout
    assert 90 < len(text.splitlines()) < 120
    choices = next(line for line in text.split("  --") if line.startswith("method {")).partition("}")[0]
    assert choices.count("\n") > 0
    names = {name.strip() for name in choices.partition("{")[2].split(",")}
    assert {"cross-entropy", "hta-kl", "weak-to-strong"} < names <= set(named_kinds(Method))


@pytest.mark.parametrize(
    ("words", "there", "not_there"),
    [
        ("--help-all", "--teacher.recipe.epochs INT", "no such thing"),
        ("--help teacher", "--teacher.recipe.model.channels INT", "--method.alpha"),
        ("--help neuron.surrogate", "--neuron.surrogate.alpha FLOAT", "--neuron.threshold"),
    ],
)
def test_more_help_on_request(words, there, not_there, override, capsys):
    with pytest.raises(SystemExit):
        override("digits-tser", *words.split())
    text = capsys.readouterr().out
    assert there in text
    assert not_there not in text


def test_help_names_every_option_of_every_shipped_kind(capsys):
    """Also of a recipe whose parts have been made by hand."""
    recipe = Recipe(Digits(), recipe_files.load("digits-scratch").model, 3, ReLU())
    with pytest.raises(SystemExit):
        options.override(recipe, ["--help"], "x")
    assert "--neuron relu" not in capsys.readouterr().out  # it has no fields


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("--data.augment.crop 2", [Crop(2)]),
        ("--data.augment.flip --data.augment.crop 1", [Crop(1), Flip()]),
        ("--data.augment.flip true", [Flip()]),
        ("--data.augment.cutout.length 3 --data.augment.policy cifar10", [AutoAugment(), Cutout(3)]),
        ("--data.augment crop,flip", [Crop(), Flip()]),
        ("--data.augment crop flip --data.augment.crop none", [Flip()]),
        ("--data.augment.crop 0", []),
        ("--data.augment none", []),
    ],
)
def test_transformations_by_name(words, kinds, override):
    assert override("digits-scratch", *words.split()).data.augment == tuple(kinds)


def test_phases_by_kind_and_place(override):
    words = ("--phases.phase", "1", "--phases.phase.steps", "2", "--phases.0.rate", "0.5")
    assert override("digits-scratch", *words).phases == (Phase(1.0, steps=2, rate=0.5),)
    with pytest.raises(InputError, match=r"--phases\.0\.until has no default\. Say what it is"):
        override("digits-scratch", "--phases", "phase")
