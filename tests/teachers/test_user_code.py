"""Teachers whose code fails: one line that names them, and on the command line the user's own traceback after it."""

import re
import sys
from dataclasses import replace

import pytest

from spikedistill.errors import InputError
from spikedistill.methods import KDSNNResponse
from spikedistill.runs import train as runs
from spikedistill.teachers import FromModule


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("broken_zoo", "users_zoo", "ends"):
        sys.modules.pop(name, None)


BROKEN = """
import sys, torch
from torch import nn

class Late(nn.Module):
    '''Answers the images that it is looked at with, and in the first step `answer` happens.'''
    def __init__(self, answer):
        super().__init__()
        self.answer, self.head = answer, nn.Linear(192, 3)
    def forward(self, images):
        return self.head(images.flatten(1)) if len(images) != 30 else self.answer(self, images)

late = lambda: Late(lambda net, images: net.head(images))
leaves = lambda: Late(lambda net, images: sys.exit(0))
grows = lambda: Late(lambda net, images: torch.zeros(len(images), 4))
lazy = lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
meta = lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 3, device="meta"))
def sparse():
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    net[1].weight = nn.Parameter(net[1].weight.detach().to_sparse())
    return net
def stops():
    sys.exit(0)
"""


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "late",
            "The teacher broken_zoo:late cannot answer 30 images of shape (3, 8, 8) (channels, height, width): Ru",
        ),
        (
            "leaves",
            "The teacher broken_zoo:leaves cannot answer 30 images of shape (3, 8, 8) (channels, height, width): ",
        ),
        ("grows", "The teacher broken_zoo:grows answers with 4 classes, the student's data set has 3"),
        ("lazy", "The teacher broken_zoo:lazy: its parameter '1.weight' has no values yet: it is lazy"),
        ("meta", "The teacher broken_zoo:meta: its parameter '1.weight' has no values: it is on the device meta"),
        ("sparse", "The teacher broken_zoo:sparse: its parameter '1.weight' is sparse"),
        ("stops", "Teacher 'broken_zoo:stops' cannot be called without arguments: SystemExit: 0"),
    ],
)
def test_a_teacher_that_fails_late_or_has_no_values_is_named(target, message, student, tmp_path):
    (tmp_path / "broken_zoo.py").write_text(BROKEN)
    recipe = replace(student, method=KDSNNResponse(), teacher=FromModule(f"broken_zoo:{target}"))
    with pytest.raises(InputError, match=re.escape(message)):
        runs.train_recipe(recipe, tmp_path, "cpu")


def test_the_command_line_says_a_line_and_then_the_users_own_traceback(cli, tmp_path):
    (tmp_path / "users_zoo.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def forward(self, images):\n"
        "        return self.missing(images)\n"
    )
    words = ("digits-scratch", "--method", "kdsnn", "--teacher", "users_zoo:Net", "--device", "cpu")
    code, out, err = cli("train", *words)
    assert (code, out) == (2, "")
    first, then, *rest = err.splitlines()
    assert first.startswith("spikedistill: error: The teacher users_zoo:Net cannot answer 2 images of shape (1, 8, 8)")
    assert then == "Traceback (most recent call last):"
    assert rest[0].startswith(f'  File "{tmp_path / "users_zoo.py"}", line 4')
    assert rest[-1].startswith("AttributeError: ")
    assert "spikedistill/teachers" not in "".join(rest)


@pytest.mark.parametrize(
    ("source", "last"),
    [("import sys; sys.exit(0)", "SystemExit: 0"), ("1 / 0", "ZeroDivisionError: division by zero"), ("def :", None)],
)
def test_a_module_that_ends_the_program_or_cannot_be_run(source, last, cli, tmp_path):
    (tmp_path / "ends.py").write_text(source)
    words = ("digits-scratch", "--method", "kdsnn", "--teacher", "ends:Net", "--device", "cpu")
    code, out, err = cli("train", *words)
    sys.modules.pop("ends", None)
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0].startswith("spikedistill: error: Teacher 'ends:Net' cannot be imported: ")
    assert "ends.py" in err
    assert last is None or lines[-1] == last
    assert "importlib" not in err
