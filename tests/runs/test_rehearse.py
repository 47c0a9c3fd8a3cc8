"""The rehearsal: what does not fit is said before anything is trained or read, through chains of teachers."""

import sys
import time
import types
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from spikedistill.errors import InputError
from spikedistill.kernels.choice import in_use
from spikedistill.machine.progress import Reporter
from spikedistill.methods import KDSNNResponse, Method
from spikedistill.methods.divergences import cross_entropy
from spikedistill.models import MLP, ConvNet, TorchModule
from spikedistill.optim import Phase
from spikedistill.recipes import _files as recipe_files
from spikedistill.runs import rehearse
from spikedistill.runs import train as runs
from spikedistill.runs.folder import Run
from spikedistill.runs.rehearse import Estimate, check_size
from spikedistill.teachers import FromRecipe
from spikedistill.training import loop


@pytest.fixture(autouse=True)
def nothing_is_read_or_trained(monkeypatch, stripes):
    """But in the tests that undo it."""
    monkeypatch.setattr(loop, "train_network", None)
    for kind in (stripes, *(type(recipe_files.load(name).data) for name in ("mnist-distilled", "digits-tser"))):
        monkeypatch.setattr(kind, "_read", None)


def refused(recipe, root, match):
    with pytest.raises(InputError, match=match) as error:
        runs.train_recipe(recipe, root, "cpu")
    assert not list(root.iterdir()), "a folder was made"
    return str(error.value)


@dataclass(frozen=True)
class Odd(Method):
    """A method that goes wrong in one way or another."""

    name: ClassVar[str] = "odd"
    wrong: str = ""

    @property
    def teacher_taps(self):
        return ("nowhere",) if self.wrong == "tap" else ()

    def losses(self, student, teacher, labels):
        logits = student.logits.detach() if self.wrong == "gradient" else student.logits
        if self.wrong == "nan of the gradient":
            return {"odd": (logits * 0).sqrt().sum()}
        loss = cross_entropy(logits, labels)
        if self.wrong == "gradient":
            loss = loss + torch.zeros(()).requires_grad_()
        return {"cross_entropy": loss, "odd": loss * float("inf") if self.wrong == "infinite" else loss}


def test_channels_that_the_teacher_does_not_know():
    recipe = recipe_files.load("cifar10-distilled")
    grey = replace(recipe, data=replace(recipe.data, channels="grey"))
    before = time.process_time()
    with pytest.raises(InputError, match=r"was made for images of 3 channels .* these have 1"):
        runs.check_recipe(grey, "nowhere", "cpu")
    assert time.process_time() - before < 20  # seconds of this process: other ones may have the machine


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ("infinite", "the loss term 'odd' is inf"),
        ("gradient", "the loss gives no weight of the student a gradient"),
        ("nan of the gradient", "the gradient of '.*' is not finite"),
        ("tap", "has no module 'nowhere' to tap"),
    ],
)
def test_methods_that_cannot_train(wrong, match, taught, tmp_path):
    refused(taught(Odd(wrong=wrong)), tmp_path, match)


def test_a_chain_is_rehearsed_to_its_end(taught, teacher, student, tmp_path):
    """The teacher's teacher is the one that does not fit."""
    assistant = replace(student, name="assistant", method=Odd(wrong="infinite"), teacher=FromRecipe(teacher))
    refused(taught(KDSNNResponse(), teacher=FromRecipe(assistant)), tmp_path, "The rehearsal of assistant")


def test_batches_of_one_where_a_norm_is_left_with_one_value(student, tmp_path):
    refused(replace(student, model=MLP((3,)), batch_size=1, steps=1), tmp_path, "one value per channel")


def test_batches_that_are_larger_than_the_data(student, tmp_path):
    refused(replace(student, batch_size=121), tmp_path, "batch_size 121 is more than the 120 training images")


def test_sizes_that_no_machine_has(student, tmp_path):
    """On shapes alone: not a byte of it is allocated."""
    before = time.monotonic()
    refused(replace(student, model=ConvNet((60_000, 60_000), (8,))), tmp_path, "weights and gradients .* at least")
    refused(
        replace(student, model=ConvNet((5000,), (8,)), batch_size=120, steps=10_000), tmp_path, "activations of a step"
    )
    assert time.monotonic() - before < 10


def test_an_allocator_that_gives_up_is_a_line(student, tmp_path, monkeypatch):
    def fail(*_arguments):
        torch.empty(1 << 60)

    monkeypatch.setattr(rehearse, "start", fail)
    said = refused(student, tmp_path, "student needs more memory than there is .*Take a smaller batch_size")
    assert "\n" not in said


def test_it_leaves_no_trace_in_the_result(taught, tmp_path, monkeypatch):
    """Random numbers, hooks and weights of the rehearsal are gone when the training begins."""
    monkeypatch.undo()
    recipe = taught(KDSNNResponse())
    one = runs.train_recipe(recipe, tmp_path / "one", "cpu")
    monkeypatch.setattr(runs, "rehearse", lambda *_arguments: None)
    other = runs.train_recipe(recipe, tmp_path / "other", "cpu")
    files = [run.folder / "weights.safetensors" for run in (one, other)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_check_says_what_a_training_will_be_like(taught, tmp_path):
    recipe = taught(KDSNNResponse())
    teacher, student = runs.check_recipe(recipe, tmp_path, "cpu")
    assert isinstance(teacher, Estimate)
    assert (teacher.recipe.name, teacher.steps) == ("teacher", 8)
    parameters = sum(p.numel() for p in recipe.model.build(recipe.data.shape, 3, recipe.neuron).parameters())
    assert (student.recipe.name, student.steps) == ("student", 8)
    assert dict(student.lines) == {
        "recipe": f"student ({student.recipe.hash}), seed 0",
        "student": f"convnet(channels=(4,), hidden=(8,)), if, T = 3, {parameters:,} parameters",
        "teacher": "FromRecipe teacher",
        "method": "kdsnn",
        "data": "stripes, 120 x 3x8x8, 3 classes",
        "machine": f"cpu, fp32, kernels: {in_use('cpu')}",
    }
    assert 0 < 8 * student.step_seconds < student.seconds < 60
    assert not list(tmp_path.iterdir())


def test_check_knows_what_has_run(taught, tmp_path, monkeypatch):
    monkeypatch.undo()
    recipe = taught(KDSNNResponse())
    run = runs.train_recipe(recipe.teacher.recipe, tmp_path, "cpu", Reporter())
    teacher, student = runs.check_recipe(recipe, tmp_path, "cpu")
    assert isinstance(teacher, Run)
    assert teacher.folder == run.folder
    assert isinstance(student, Estimate)


def test_each_phase_is_rehearsed(student, tmp_path):
    phases = (Phase(until=0.5, batch_size=2), Phase(until=1.0, batch_size=1, steps=1))
    recipe = replace(student, model=MLP((3,)), phases=phases)
    refused(recipe, tmp_path, "one value per channel")


def test_the_estimate_follows_the_phases(student, tmp_path):
    recipe = replace(student, phases=(Phase(until=0.5, batch_size=10), Phase(until=1.0, steps=1)))
    (one,) = runs.check_recipe(recipe, tmp_path, "cpu")
    assert one.steps == 12 + 4


class Looks(torch.nn.Module):
    """A network of a user's own that looks at its numbers, where shapes alone have none (as snnTorch's Leaky does)."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(192, 3)
        assert torch.zeros(()).item() == 0

    def forward(self, images):
        assert images.abs().max().item() < 100
        return self.head(images.flatten(1))


def test_a_network_that_looks_at_numbers_is_not_counted(student, monkeypatch):
    module = types.ModuleType("looks")
    module.Looks = Looks
    monkeypatch.setitem(sys.modules, "looks", module)
    check_size(replace(student, model=TorchModule("looks:Looks", takes="image")), torch.device("cpu"))


@dataclass(frozen=True)
class ReadsTheTeacher(KDSNNResponse):
    name: ClassVar[str] = "reads-the-teacher-of-the-rehearsal"

    def build(self, student, teacher):
        _ = teacher.network.stages
        return super().build(student, teacher)


def test_a_method_that_reads_the_teachers_network_has_no_stored_answers(taught, tmp_path):
    """Said before the teacher is trained; where it is asked in each step, there is a network."""
    recipe = taught(ReadsTheTeacher())
    runs.check_recipe(recipe, tmp_path, "cpu")
    cached = replace(recipe, cache=str(tmp_path / "cache"))
    refused(cached, tmp_path, "reads its teacher's network when it is built .*Leave the cache out")
