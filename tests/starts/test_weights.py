"""Starting from weights: what is copied, what does not fit, whose networks are trained first, and how a run goes on."""

import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from spikedistill.cli import seeds
from spikedistill.errors import InputError
from spikedistill.machine import state_files
from spikedistill.methods import CrossEntropy, KDSNNResponse
from spikedistill.models import WRN, ConvNet, TorchModule
from spikedistill.neurons import IF, PLIF, BatchNorm, ReLU
from spikedistill.optim import SGD, Phase
from spikedistill.recipe import Recipe, everywhere, recipes_of
from spikedistill.runs import train as runs
from spikedistill.runs.folder import Run
from spikedistill.runs.rehearse import Estimate
from spikedistill.starts import Weights, ann_of, copy_weights, from_ann
from spikedistill.teachers import FromModule, FromRecipe, FromRun
from spikedistill.training import loop
from spikedistill.values.plain import from_json, to_json


@pytest.fixture
def ann(student):
    return replace(ann_of(student), name="ann", optimizer=SGD(0.05))


@pytest.fixture
def started(student, ann):
    """A student that begins at its ANN's weights and moves nowhere, so that these are what it ends with."""
    return replace(student, name="started", start=(Weights(FromRecipe(ann)),), optimizer=SGD(1e-30, weight_decay=0.0))


def built(recipe, seed=0):
    torch.manual_seed(seed)
    return recipe.model.build(recipe.data.shape, recipe.data.classes, recipe.neuron, recipe.norm)


def weights_of(run):
    return state_files.load(run.folder / "weights.safetensors")


def test_parameters_and_buffers_are_copied_by_name(student):
    recipe = replace(student, model=WRN(10, 1))
    ours, theirs = built(recipe), built(replace(recipe, neuron=ReLU()), seed=1)
    theirs.train()(torch.randn(4, *recipe.data.shape))  # moves the norms' statistics
    copy_weights(ours, theirs)
    expected = theirs.state_dict()
    assert any("running_var" in name for name in expected)
    for name, value in ours.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert ours.head.weight.data_ptr() != theirs.head.weight.data_ptr()


def test_scalars_of_neurons_may_be_missing(student):
    plif = built(replace(student, neuron=PLIF(init_tau=3.0)))
    before = {name: value.clone() for name, value in plif.state_dict().items() if name.endswith("act.w")}
    assert before
    source = built(student, seed=1)
    copy_weights(plif, source)
    assert torch.equal(plif.head.weight, source.head.weight)
    assert all(torch.equal(plif.state_dict()[name], value) for name, value in before.items())
    copy_weights(source, built(replace(student, neuron=PLIF()), seed=2))  # nor is a surplus one in the way


def test_what_does_not_match_is_listed(student):
    ours = built(replace(student, model=ConvNet((4, 5), (8,))))
    with pytest.raises(InputError) as said:
        copy_weights(ours, built(replace(student, model=ConvNet((4,), (9, 7)))))
    message = str(said.value)
    assert "missing: convs.1.weight, conv_acts.1.norm.weight, conv_acts.1.norm.bias, conv_acts.1.norm.run" in message
    assert "surplus: synapses.1.weight, acts.1.norm.weight" in message
    assert (
        "of other shapes: synapses.0.weight [9, 64] instead of [8, 20], acts.0.norm.weight [9] instead of [8]"
        in message
    )
    assert "ann_of" in message


def test_long_lists_are_cut(student):
    with pytest.raises(InputError, match=r"surplus: .* and 60 more; of other shapes: head\.weight"):
        copy_weights(built(student), built(replace(student, model=WRN(16, 1))))


def test_the_ann_is_trained_first_and_its_weights_are_where_the_student_begins(started, ann, tmp_path):
    run = runs.train_recipe(started, tmp_path, "cpu")
    (folder,) = tmp_path.glob("ann-*")
    theirs = weights_of(Run(folder, ann))
    for name, value in weights_of(run).items():
        if "running" not in name:
            torch.testing.assert_close(value, theirs[name], rtol=0, atol=1e-12)
    again = runs.train_recipe(replace(started, seed=1), tmp_path, "cpu")
    assert again.folder != run.folder
    assert len(list(tmp_path.glob("ann-*"))) == 1


def test_it_is_in_the_hash_where_there_is_one(started, student):
    assert replace(started, start=()).hash == replace(student, optimizer=started.optimizer).hash
    other = replace(started, start=(Weights(FromRecipe(replace(started.start[0].source.recipe, seed=1))),))
    assert len({started.hash, other.hash, replace(started, start=()).hash}) == 3
    assert from_json(Recipe, to_json(started), "recipe") == started
    assert "start" not in to_json(student)


def test_a_run_as_the_start_is_the_recipe_of_that_run(started, ann, tmp_path):
    folder = runs.train_recipe(ann, tmp_path, "cpu").folder
    by_run = replace(started, start=(Weights(FromRun(str(folder))),))
    one, other = (weights_of(runs.train_recipe(recipe, tmp_path, "cpu")) for recipe in (started, by_run))
    assert state_files.tensors_digest(one) == state_files.tensors_digest(other)
    state_files.save(
        folder / "weights.safetensors", {name: -value for name, value in weights_of(Run(folder, ann)).items()}
    )
    assert len(list(tmp_path.glob("started-*"))) == 2
    runs.train_recipe(by_run, tmp_path, "cpu")
    assert len(list(tmp_path.glob("started-*"))) == 3, "other weights are another run"


class Foreign(nn.Sequential):
    """A module of the user's, whose ANN is its own start."""

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(192, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))


def test_a_module_is_a_start_for_a_module(started, tmp_path, monkeypatch):
    zoo = type(sys)("start_zoo")
    zoo.Fresh = Foreign
    torch.manual_seed(5)
    trained = Foreign()
    zoo.trained = lambda: trained
    monkeypatch.setitem(sys.modules, "start_zoo", zoo)
    recipe = replace(
        started,
        model=TorchModule("start_zoo:Fresh", takes="image", spiking=False),
        start=(Weights(FromModule("start_zoo:trained")),),
    )
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    torch.testing.assert_close(weights_of(run)["module.1.weight"], trained[1].weight.detach(), rtol=0, atol=1e-12)
    assert run.recipe.start[0].source.digest


class Renamed(nn.Module):
    """A student that has other names for a foreign module's weights, as a twin has."""

    def __init__(self):
        super().__init__()
        self.inside = nn.Linear(4, 3)

    def own_state_dict(self):
        return {f"fc.{name}": value for name, value in self.inside.state_dict().items()}

    def load_own_state_dict(self, state):
        self.inside.load_state_dict({name.removeprefix("fc."): value for name, value in state.items()})


def test_a_student_may_have_the_foreign_modules_names():
    student, source = Renamed(), nn.ModuleDict({"fc": nn.Linear(4, 3)})
    copy_weights(student, source)
    assert torch.equal(student.inside.weight, source["fc"].weight)
    with pytest.raises(InputError, match=r"missing: fc\.bias; of other shapes: fc\.weight \[2, 4\] instead"):
        copy_weights(student, nn.ModuleDict({"fc": nn.Linear(4, 2, bias=False)}))


def test_another_architecture_is_refused_before_anything_is_trained(student, teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "train_network", None)
    wrong = replace(student, start=(Weights(FromRecipe(teacher)),))
    with pytest.raises(
        InputError, match=r"of another architecture than the student\. of other shapes: convs\.0\.weight"
    ):
        runs.train_recipe(wrong, tmp_path, "cpu")
    assert not list(tmp_path.iterdir())


def test_check_counts_it(student, ann, tmp_path, monkeypatch):
    """Start and teacher in one: estimated once, before the student."""
    monkeypatch.setattr(loop, "train_network", None)
    both = from_ann(replace(student, method=KDSNNResponse()), ann)
    found = runs.check_recipe(both, tmp_path, "cpu")
    assert [type(one) for one in found] == [Estimate, Estimate]
    assert [one.recipe.name for one in found] == ["ann", "student"]
    assert ("start", "Weights ann") in found[1].lines


def test_everything_that_walks_over_recipes_reaches_it(student, ann, teacher):
    taught_ann = replace(ann, method=KDSNNResponse(), teacher=FromRecipe(teacher))
    recipe = replace(student, start=(Weights(FromRecipe(taught_ann)),))
    assert [one.name for part in recipe.parts for one in recipes_of(part)] == ["ann", "teacher"]
    changed = everywhere(recipe, lambda one: replace(one, seed=one.seed + 3))
    assert changed.start[0].source.recipe.seed == changed.start[0].source.recipe.teacher.recipe.seed == 3
    assert seeds.teacher_note(recipe) == "start: seed 0"
    tied = seeds.seeded(recipe, 4, "tied")
    assert (tied.seed, tied.start[0].source.recipe.seed) == (4, 4)
    both = from_ann(replace(student, method=KDSNNResponse()), ann)
    assert seeds.teacher_note(both) == "start: seed 0, teacher: seed 0"


def test_a_student_below_another_root_has_its_ann_there(student, ann, tmp_path, monkeypatch):
    seen = []
    load = type(student.data).load
    monkeypatch.setattr(type(student.data), "load", lambda data: seen.append(data.root) or load(data))
    runs.train_recipe(
        replace(student, data=replace(student.data, root="there"), start=(Weights(FromRecipe(ann)),)), tmp_path, "cpu"
    )
    assert seen == ["there", "there"]


def test_the_ann_of_a_student(student, taught):
    recipe = taught(
        KDSNNResponse(),
        neuron=IF(reset=None),
        norm=BatchNorm(start=0.5),
        phases=(Phase(0.5, steps=1), Phase(1.0)),
        backward="rate",
        cache="somewhere",
    )
    ann = ann_of(recipe, epochs=7)
    assert (ann.neuron, ann.method, ann.teacher, ann.phases, ann.start) == (ReLU(), CrossEntropy(), None, (), ())
    assert (ann.name, ann.epochs, ann.norm, ann.time_steps, ann.cache) == ("student-ann", 7, recipe.norm, 1, "")
    both = from_ann(recipe)
    assert both.teacher == both.start[0].source == FromRecipe(ann_of(recipe))
    assert from_ann(student).teacher is None
    copy_weights(built(both), built(ann))


def test_on_the_command_line(cli, tmp_path):
    quick = ("--epochs", "1", "--batch-size", "32", "--data.train-size", "64", "--device", "cpu")
    code, out, err = cli("train", "digits-teacher", *quick)
    assert code == 0, err
    folder = out.split()[-1]
    options = ("--model.channels", "16", "16", "--model.hidden", "64", *quick)
    code, out, err = cli("train", "digits-scratch", "--start", folder, *options, "--steps", "2")
    assert code == 0, err
    assert "start: seed" not in out  # a run's folder has the seed that it has
    code, out, err = cli(
        "train", "digits-scratch", "--start", "digits-teacher", *options, "--start.weights.source.recipe.epochs", "1"
    )
    assert code == 0, err
    assert "start: seed 0" in out
    code, out, err = cli("train", "digits-scratch", "--start", "digits-teacher", "--device", "cpu")
    assert code == 2
    assert "of another architecture than the student" in err
    code, out, err = cli("train", "digits-scratch", "--help")
    assert "--start {RECIPE,RUN,package.module:callable,calibrated,weights,whitened}" in out


def test_what_has_no_network_is_no_start(student, tmp_path):
    from spikedistill.recipe import Teacher

    class Silent(Teacher):
        def load(self, context):
            from spikedistill.teachers import LoadedTeacher

            return LoadedTeacher({})

    context = runs.contexts(tmp_path, torch.device("cpu"), runs.Reporter())(student)
    with pytest.raises(InputError, match="Silent has no network of its own whose weights could be copied"):
        Weights(Silent()).load(context)
