"""Teachers: where they come from, what they see, and that nothing happens to them."""

import copy
import json
import re
import sys
import types
from dataclasses import replace

import pytest
import torch
from torch import nn

from spikedistill.data.normalise import normalise
from spikedistill.errors import InputError
from spikedistill.machine import state_files
from spikedistill.machine.progress import Reporter
from spikedistill.methods import CrossEntropy, KDSNNResponse, Signals, VanillaKD
from spikedistill.neurons import IF
from spikedistill.optim import Adam
from spikedistill.runs import train as runs
from spikedistill.teachers import FromModule, FromRun
from spikedistill.teachers.loaded import check_answers, compare_digests, freeze
from spikedistill.training import loop

CPU = torch.device("cpu")


class Recording(nn.Module):
    """A user's own network: batch norm, dropout, logits [B, K]; remembers what it was given."""

    def __init__(self, channels=3, classes=3):
        super().__init__()
        torch.manual_seed(5)
        self.norm = nn.BatchNorm2d(channels)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(channels * 64, classes)
        self.seen = []

    def forward(self, images):
        self.seen.append((images.detach().clone(), self.training, torch.is_grad_enabled()))
        return self.head(self.drop(self.norm(images)).flatten(1))


MADE: list[nn.Module] = []


@pytest.fixture(autouse=True)
def user_module(tmp_path, monkeypatch):
    """An importable module `zoo` of the user's, in the working directory."""
    (tmp_path / "zoo.py").write_text(
        "from torch import nn\n"
        "make = None\n"
        "broken = lambda: 1 / 0\n"
        "number = lambda: 3\n"
        "needs = lambda depth: depth\n"
        "ready = nn.Linear(1, 1)\n"
    )
    (tmp_path / "wrong_syntax.py").write_text("def :\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import importlib

    sys.modules.pop("zoo", None)
    zoo = importlib.import_module("zoo")
    MADE.clear()

    def make():
        MADE.append(Recording())
        return MADE[-1]

    zoo.make = make
    zoo.steps = lambda: Stepped(Recording())
    zoo.wide = lambda: Recording(classes=4)
    zoo.grey = lambda: Recording(channels=1)
    yield zoo
    sys.modules.pop("zoo", None)


class Stepped(nn.Module):
    """Answers with [T, B, K]."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return torch.stack([self.network(images)] * 5)


def test_a_teachers_recipe_is_trained_once_for_all_who_name_it(taught, tmp_path, monkeypatch):
    trained = []
    train = loop.train_network

    def count(task, report):
        trained.append(task.recipe.name)
        return train(task, report)

    monkeypatch.setattr(loop, "train_network", count)
    for method in (KDSNNResponse(), VanillaKD()):
        runs.train_recipe(taught(method), tmp_path, "cpu")
    assert sorted(trained) == ["student", "student", "teacher"]


def test_its_name_does_not_matter(taught, teacher, tmp_path, monkeypatch):
    """The teacher of a recipe, and the same recipe by another name on the command line, are one run."""
    run = runs.train_recipe(replace(teacher, name="another"), tmp_path, "cpu")
    runs.train_recipe(taught(KDSNNResponse()), tmp_path, "cpu")
    assert sorted(path.name.partition("-")[0] for path in tmp_path.glob("*-*")) == ["another", "student"]
    assert runs.train_recipe(teacher, tmp_path, "cpu").folder == run.folder


def test_a_finished_student_needs_no_teacher_any_more(taught, tmp_path):
    run = runs.train_recipe(taught(KDSNNResponse()), tmp_path, "cpu")
    for path in tmp_path.glob("teacher-*/*"):
        path.unlink()
    assert runs.train_recipe(taught(KDSNNResponse()), tmp_path, "cpu").folder == run.folder
    assert not list(tmp_path.glob("teacher-*/*"))


def test_a_teachers_teacher(taught, tmp_path):
    assistant = taught(KDSNNResponse(), name="assistant")
    last = replace(assistant, name="last", seed=1, teacher=type(assistant.teacher)(assistant))
    runs.train_recipe(last, tmp_path, "cpu")
    assert sorted(path.parent.name.partition("-")[0] for path in tmp_path.glob("*/metrics.json")) == [
        "assistant",
        "last",
        "teacher",
    ]


def test_a_runs_folder_as_teacher_gives_what_its_recipe_gives(taught, student, teacher, tmp_path):
    recipe = taught(KDSNNResponse())
    by_recipe = runs.train_recipe(recipe, tmp_path, "cpu")
    folder = runs.train_recipe(teacher, tmp_path, "cpu").folder
    by_run = runs.train_recipe(replace(recipe, teacher=FromRun(str(folder))), tmp_path, "cpu")
    assert by_run.folder != by_recipe.folder
    weights = [state_files.load(run.folder / "weights.safetensors") for run in (by_recipe, by_run)]
    assert state_files.tensors_digest(weights[0]) == state_files.tensors_digest(weights[1])
    assert by_run.recipe.teacher.digest


def test_a_spiking_teacher_answers_at_its_own_number_of_steps(taught, teacher, tmp_path, load, some):
    spiking = replace(teacher, neuron=IF(), steps=5)
    recipe = taught(KDSNNResponse(), teacher=FromRun(str(runs.train_recipe(spiking, tmp_path, "cpu").folder)))
    assert load(recipe).answers(some(recipe.data.load().test)).logits.shape == (5, 6, 3)


def test_any_module_sees_the_students_view_in_its_own_statistics(student, augmented, tmp_path, monkeypatch):
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    recipe = replace(
        student, data=augmented, method=KDSNNResponse(), teacher=FromModule("zoo:make", mean, std), epochs=1
    )
    students = []
    batches = []
    step = loop.train_step

    def spy(task, state, batch):
        batches.append(batch.images.clone())
        hook = state.student.register_forward_pre_hook(lambda _module, inputs: students.append(inputs[0]))
        losses = step(task, state, batch)
        hook.remove()
        return losses

    monkeypatch.setattr(loop, "train_step", spy)
    runs.train_recipe(recipe, tmp_path, "cpu")
    (network,) = MADE
    seen = [images for images, _, _ in network.seen][-4:]
    assert len(batches) == len(students) == 4
    for got, mine, uint8 in zip(seen, students, batches, strict=True):
        assert torch.equal(got, normalise(uint8, mean, std))
        assert torch.equal(mine, normalise(uint8, augmented.mean, augmented.std))
    assert not any(training or grad for _, training, grad in network.seen)


def test_without_statistics_of_its_own_it_gets_the_data_sets(student, stripes, load):
    recipe = replace(student, method=KDSNNResponse(), teacher=FromModule("zoo:make"))
    teacher = load(recipe)
    assert (teacher.mean, teacher.std) == (stripes().mean, stripes().std)


def test_training_leaves_the_teacher_as_it_was(student, tmp_path):
    before = copy.deepcopy(Recording().state_dict())
    recipe = replace(student, method=KDSNNResponse(), teacher=FromModule("zoo:make"), optimizer=Adam(0.1))
    runs.train_recipe(recipe, tmp_path, "cpu")
    (network,) = MADE
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())


def test_the_teacher_is_no_part_of_the_student(taught, tmp_path, monkeypatch):
    states = []
    train = loop.train_network
    monkeypatch.setattr(loop, "train_network", lambda task, report: states.append(train(task, report)) or states[-1])
    runs.train_recipe(taught(KDSNNResponse()), tmp_path, "cpu")
    state = states[-1]
    grouped = sum(p.numel() for group in state.optimizer.param_groups for p in group["params"])
    assert grouped == sum(p.numel() for p in state.student.parameters())


@pytest.mark.parametrize(("target", "shape"), [("zoo:make", (1, 6, 3)), ("zoo:steps", (5, 6, 3))])
def test_logits_with_and_without_time(target, shape, student, stripes, load, some):
    teacher = load(replace(student, method=KDSNNResponse(), teacher=FromModule(target)))
    signals = teacher.answers(some(stripes().load().test))
    assert isinstance(signals, Signals)
    assert signals.logits.shape == shape


def test_bf16_teachers_answer_in_float32(student, stripes, load, some):
    taught = replace(student, method=KDSNNResponse(), teacher=FromModule("zoo:make"))
    said = [
        load(replace(taught, precision=precision)).answers(some(stripes().load().test)).logits
        for precision in ("bf16", "fp32")
    ]
    assert said[0].dtype == torch.float32
    assert not torch.equal(*said)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("zoo", "is not of the form package.module:callable"),
        (":make", "is not of the form package.module:callable"),
        ("zo:make", "cannot be imported: ModuleNotFoundError"),
        ("wrong_syntax:make", "cannot be imported: SyntaxError"),
        ("zoo:mkae", "zoo has no 'mkae'. Did you mean 'make'"),
        ("zoo:number", "returns int, not a torch.nn.Module"),
        ("zoo:broken", "cannot be called without arguments: ZeroDivisionError"),
        ("zoo:needs", "cannot be called without arguments: TypeError"),
        ("zoo:wide", "answers with 4 classes, the student's data set has 3"),
        ("zoo:grey", "cannot answer 2 images of shape (3, 8, 8)"),
        ("zoo:ready", "cannot answer 2 images of shape"),
    ],
)
def test_what_is_no_teacher_is_named(target, message, student, tmp_path):
    recipe = replace(student, method=KDSNNResponse(), teacher=FromModule(target))
    with pytest.raises(InputError, match=re.escape(message)):
        runs.train_recipe(recipe, tmp_path, "cpu")


def test_statistics_of_other_channels_are_refused(student, tmp_path):
    """They would be spread over the images' channels without a word."""
    recipe = replace(student, method=KDSNNResponse(), teacher=FromModule("zoo:make", (0.5,), (0.5,)))
    with pytest.raises(InputError, match=r"made for images of 1 channels .* these have 3"):
        runs.train_recipe(recipe, tmp_path, "cpu")


@pytest.mark.parametrize("answer", [torch.zeros(3), torch.zeros(2, 2, 2, 2), torch.zeros(5, 3), [1, 2]])
def test_answers_that_are_no_logits_are_refused(answer, student, tmp_path, stripes, some):
    network = nn.Identity()
    network.forward = lambda images: answer
    context = runs.contexts(tmp_path, CPU, Reporter())(student)
    teacher = freeze(network, "The teacher", {}, stripes().mean, stripes().std, None, context)
    with pytest.raises(InputError, match=r"The teacher answers 2 images with .*; it must be logits"):
        check_answers(teacher, some(stripes().load().train, 2))


def test_methods_and_teachers_go_together(student, taught, tmp_path):
    with pytest.raises(InputError, match="kdsnn needs a teacher, and the recipe names none"):
        runs.train_recipe(replace(student, method=KDSNNResponse()), tmp_path)
    with pytest.raises(InputError, match=r"cross-entropy has no use for a teacher.*--teacher none"):
        runs.train_recipe(taught(CrossEntropy()), tmp_path)
    assert not list(tmp_path.glob("*-*"))


def test_a_teacher_of_other_classes_is_refused_before_it_trains(taught, teacher, tmp_path):
    from spikedistill.data.digits import Digits
    from spikedistill.teachers import FromRecipe

    recipe = taught(KDSNNResponse(), teacher=FromRecipe(replace(teacher, data=Digits())))
    with pytest.raises(InputError, match=r"10 classes \(digits\), the student has 3 \(stripes\)"):
        runs.train_recipe(recipe, tmp_path, "cpu")
    assert not list(tmp_path.glob("*-*"))


def test_an_unfinished_run_is_no_teacher(student, teacher, tmp_path):
    run = runs.train_recipe(teacher, tmp_path, "cpu")
    (run.folder / "metrics.json").unlink()
    with pytest.raises(InputError, match="is not finished"):
        runs.train_recipe(replace(student, method=KDSNNResponse(), teacher=FromRun(str(run.folder))), tmp_path, "cpu")


def test_other_weights_are_another_run_or_an_error(student, teacher, tmp_path):
    folder = runs.train_recipe(teacher, tmp_path, "cpu").folder
    recipe = replace(student, method=KDSNNResponse(), teacher=FromRun(str(folder)))
    first = runs.train_recipe(recipe, tmp_path, "cpu")
    weights = state_files.load(folder / "weights.safetensors")
    state_files.save(folder / "weights.safetensors", weights | {"head.weight": -weights["head.weight"]})
    assert runs.train_recipe(recipe, tmp_path, "cpu").folder != first.folder
    with pytest.raises(InputError, match="other weights than when this run began"):
        runs.train_recipe(first.recipe, tmp_path, "cpu")


def test_digests_are_compared_where_one_is_recorded():
    assert compare_digests("", "abc", "It") == compare_digests("abc", "abc", "It") == "abc"
    with pytest.raises(InputError, match="It has other weights"):
        compare_digests("abd", "abc", "It")


def test_an_edited_recipe_in_the_folder_of_a_teacher_is_another_teacher(student, teacher, tmp_path):
    """The weights are the same, what they answer is not."""
    folder = runs.train_recipe(replace(teacher, neuron=IF()), tmp_path, "cpu").folder
    recipe = replace(student, method=KDSNNResponse(), teacher=FromRun(str(folder)))
    first = runs.train_recipe(recipe, tmp_path, "cpu")
    path = folder / "recipe.json"
    path.write_text(path.read_text().replace('"threshold": 1.0', '"threshold": 0.5'))
    for asked in (recipe, first.recipe):
        with pytest.raises(InputError, match=rf"The recipe in .*{folder.name} has been changed since that run began"):
            runs.train_recipe(asked, tmp_path, "cpu")
    info = json.loads((folder / "run.json").read_text())
    del info["recipe"]  # even if the folder does not tell
    (folder / "run.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match="other weights than when this run began, or another recipe"):
        runs.train_recipe(first.recipe, tmp_path, "cpu")
    assert runs.train_recipe(recipe, tmp_path, "cpu").folder != first.folder


def test_a_finished_run_is_returned_when_its_teacher_is_gone(student, teacher, tmp_path):
    teachers = tmp_path / "teachers"
    folder = runs.train_recipe(teacher, teachers, "cpu").folder
    recipe = replace(student, method=KDSNNResponse(), teacher=FromRun(str(folder)))
    run = runs.train_recipe(recipe, tmp_path, "cpu")
    folder.rename(tmp_path / "elsewhere")
    assert runs.train_recipe(run.recipe, tmp_path, "cpu").folder == run.folder
    with pytest.raises(InputError, match="is not a run's folder"):
        runs.train_recipe(recipe, tmp_path, "cpu")  # nothing says which teacher it was
    (run.folder / "metrics.json").unlink()
    with pytest.raises(InputError, match="is not a run's folder"):
        runs.train_recipe(run.recipe, tmp_path, "cpu")


def test_logits_beyond_float16_are_refused(student, stripes, tmp_path, some):
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    nn.init.constant_(network[1].bias, 7e4)
    context = runs.contexts(tmp_path, CPU, Reporter())(student)
    teacher = freeze(network, "The teacher", {}, stripes().mean, stripes().std, None, context)
    with pytest.raises(InputError, match="not all finite in float16"):
        check_answers(teacher, some(stripes().load().train, 2))


def test_old_recipe_files_find_the_teachers_where_they_were():
    from spikedistill import recipe, teachers

    for name in ("FromModule", "FromRecipe", "FromRun"):
        assert getattr(recipe, name) is getattr(teachers, name)
    with pytest.raises(AttributeError, match="has no attribute 'FromNowhere'"):
        _ = recipe.FromNowhere


def test_copies_of_its_weights_are_kept_for_one_number_of_images(taught, stripes, load, some):
    """In oneDNN's order there is one for each; what is asked once at the start must not stay for a whole training."""
    teacher = load(taught(KDSNNResponse()))
    split = stripes().load().train
    for count in (2, 30):
        teacher.answers(some(split, count))
    kept = teacher.frozen_weights
    before = len(kept._made)
    teacher.answers(some(split, 30))
    assert teacher.frozen_weights is kept
    assert len(kept._made) == before
    teacher.answers(some(split, 7))
    assert len(teacher.frozen_weights._made) == before


def test_a_module_that_wants_rows_in_memory_is_given_them(student, stripes, load, some, monkeypatch):
    """`view` needs them after a convolution, and images here are in channels_last order."""

    class Views(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3)
            self.head = torch.nn.Linear(144, 3)

        def forward(self, x):
            return self.head(self.conv(x).view(x.size(0), -1))

    module, zoo = Views(), types.ModuleType("zoo_of_views")
    zoo.make = lambda: module
    monkeypatch.setitem(sys.modules, "zoo_of_views", zoo)
    teacher = load(replace(student, method=KDSNNResponse(), teacher=FromModule("zoo_of_views:make")))
    batch, data = some(stripes().load().test), stripes()
    images = normalise(batch.images, data.mean, data.std).contiguous()
    for _ in range(2):
        torch.testing.assert_close(teacher.answers(batch).logits, module(images)[None], atol=2e-3, rtol=2e-3)
