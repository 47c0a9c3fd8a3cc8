"""What a method cannot be given is said before anything is trained, its teacher included."""

from dataclasses import replace

import pytest

from spikedistill.errors import InputError
from spikedistill.methods import CrossEntropy, DefaultKD, DistillingSpikes, FitNet, KDSNNFeature, LaSNN, Sum, VanillaKD
from spikedistill.runs import train as runs
from spikedistill.teachers import FromRecipe, Pruned
from spikedistill.values.change import change

STAGES = {"student_stages": ("conv_acts.0", "acts.0"), "teacher_stages": ("conv_acts.0",)}


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Sum((CrossEntropy(), KDSNNFeature(**STAGES))), r"student has 2 stages \(conv_acts.0, acts.0\), the teacher 1"),
        (Sum((CrossEntropy(), LaSNN(**STAGES))), "student has 2 stages"),
        (Sum((CrossEntropy(), LaSNN(student_stages=("acts.0",), teacher_stages=("acts.0",)))), "one pixel in common"),
        (Sum((CrossEntropy(), FitNet(student_stages=("conv_acts.7",)))), "no module 'conv_acts.7' to tap"),
        (DefaultKD(correct_prob=0.3), "correct_prob is 0.3, less than chance for 3 classes"),
    ],
    ids=["stages", "attention", "pixel", "path", "chance"],
)
def test_methods_that_do_not_fit(method, message, student, taught, tmp_path):
    recipe = taught(method) if method.needs_teacher else replace(student, method=method)
    with pytest.raises(InputError, match=message):
        runs.train_recipe(recipe, tmp_path, "cpu")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_window_longer_than_t(student, taught, tmp_path):
    """The teacher has as many steps as the student, and both fewer than the window."""
    recipe = taught(DistillingSpikes(window=4), teacher=FromRecipe(replace(student, name="spiking-teacher")))
    with pytest.raises(InputError, match=r"A window of 4 steps is longer than the 3 of the network"):
        runs.train_recipe(recipe, tmp_path, "cpu")
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("method.alpha", 0.9, "alpha, beta and gamma must add up to 1: 0.9"),
        ("teacher.ratio", 1.0, r"prune ratio must be in \[0, 1\), not 1"),
    ],
)
def test_numbers_that_are_changed_by_path(path, value, message, taught, teacher):
    method = DistillingSpikes() if path.startswith("method") else VanillaKD()
    with pytest.raises(InputError, match=message):
        change(taught(method, teacher=Pruned(FromRecipe(teacher))), {path: value})
