"""Files of stored answers: whatever is wrong with one is found at the start and named."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from spikedistill.errors import InputError
from spikedistill.machine import state_files
from spikedistill.runs import train as runs
from spikedistill.teachers import NetworkTeacher
from spikedistill.teachers.agreement import TOLERANCE
from spikedistill.teachers.stored import FORMAT


def rewritten(path, logits, **header):
    """Write a view's file with other content, as a program would that knows the format."""
    with safe_open(path, framework="pt") as file:
        before = file.metadata()
    digest = state_files.tensors_digest({"logits": logits})
    save_file({"logits": logits}, path, before | {"sha256": digest} | header)


def content(path):
    with safe_open(path, framework="pt") as file:
        return file.get_tensor("logits").clone()


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def empty(path):
    path.write_bytes(b"")


def garbage(path):
    path.write_bytes(b"\xff" * 200)


def wrong_type(path):
    rewritten(path, content(path).float())


def too_few(path):
    rewritten(path, content(path)[:-1].clone())


def other_classes(path):
    rewritten(path, content(path)[:, :, :2].clone())


def foreign(path):
    rewritten(path, content(path), key="0" * 64)


def other_view(path):
    rewritten(path, content(path), view="7")


@pytest.mark.parametrize("damage", [truncate, empty, garbage, wrong_type, too_few, other_classes, foreign, other_view])
def test_a_file_that_is_not_right_is_found_at_the_start(damage, cached, filled, tmp_path):
    """Also of a late epoch; and nothing is trained."""
    path = filled(cached).path(1)
    damage(path)
    with pytest.raises(InputError, match=rf"{path.name} .*Delete it to have the teacher asked again"):
        runs.train_recipe(cached, tmp_path / "runs", "cpu")
    assert not list(tmp_path.glob("runs/*/checkpoint.safetensors"))
    path.unlink()
    runs.train_recipe(cached, tmp_path / "runs", "cpu")


def test_a_changed_bit_is_found(cached, filled, opened):
    cache = filled(cached)
    path = cache.path(1)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="its content is not what was written"):
        cache.view(1)
    with pytest.raises(InputError, match="its content is not what was written"):
        opened(cached)


def test_a_file_of_another_teacher_is_refused(cached, teacher, teachers, filled, opened):
    other = runs.train_recipe(replace(teacher, seed=1), teachers, "cpu")
    theirs = filled(replace(cached, teacher=replace(cached.teacher, folder=str(other.folder))))
    ours = filled(cached)
    assert theirs.folder != ours.folder
    ours.path(0).write_bytes(theirs.path(0).read_bytes())
    with pytest.raises(InputError, match="is of another teacher"):
        opened(cached)


@pytest.mark.parametrize("change", [lambda x: x.roll(1, 0), lambda x: x * 1.05, lambda x: x.flip(2)])
def test_numbers_that_the_teacher_would_not_say_are_found(change, cached, filled, opened):
    """The file's own digest is right: someone else's program has written it."""
    cache = filled(cached)
    for view in (0, 1):
        rewritten(cache.path(view), change(content(cache.path(view))).contiguous())
    with pytest.raises(InputError, match="is not what this teacher says"):
        opened(cached)


@pytest.mark.parametrize(
    "change",
    [lambda x: x.softmax(-1), lambda x: x.expand(5, -1, -1), lambda x: x * torch.nan],
    ids=["other values", "more steps", "nan"],
)
def test_a_teacher_whose_code_has_changed_is_found(change, cached, filled, opened, monkeypatch):
    """Its weights are the same, so the key is."""
    filled(cached)
    answers = NetworkTeacher.answers

    def changed(self, batch):
        said = answers(self, batch)
        return replace(said, logits=change(said.logits))

    monkeypatch.setattr(NetworkTeacher, "answers", changed)
    with pytest.raises(InputError, match=r"is not what this teacher says.* delete "):
        opened(cached)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_rounding_is_accepted(precision, cached, filled, opened):
    """As of another machine's kernels: a tenth of the tolerance, in random directions."""
    cached = replace(cached, precision=precision)
    cache = filled(cached)
    for view in (0, 1):
        logits = content(cache.path(view)).float()
        noise = torch.randn(logits.shape, generator=torch.Generator().manual_seed(view))
        logits = logits + noise * logits.square().mean().sqrt() * TOLERANCE[precision] / 10
        rewritten(cache.path(view), logits.half())
    opened(cached)


def test_the_files_can_be_read_without_this_library(cached, filled, load):
    """Plain safetensors, with the key in words beside them."""
    cache = filled(cached)
    said = json.loads((cache.folder / "key.json").read_text())
    assert said["format"] == FORMAT
    assert said["teacher"]["weights"] == load(cached).identity["weights"]
    with safe_open(cache.path(1), framework="pt") as file:
        assert file.metadata()["key"] == cache.key
        assert file.get_slice("logits").get_shape() == [120, 1, 3]
