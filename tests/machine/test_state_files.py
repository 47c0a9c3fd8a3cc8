"""States on disk: what is read is what was written, or an error; the old file stands until the new one is complete."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from spikedistill.errors import InputError, NotSavedError
from spikedistill.machine import state_files

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool]


def same(one, other):
    """Equal in structure, types, dtypes, shapes and bits; tuples count as lists."""
    if isinstance(one, torch.Tensor):
        alike = isinstance(other, torch.Tensor) and (one.dtype, one.shape) == (other.dtype, other.shape)
        return alike and torch.equal(one.contiguous().view(-1).view(torch.uint8), other.view(-1).view(torch.uint8))
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def a_state():
    return {
        "weights": {"a.weight": torch.randn(3, 4), "empty": torch.zeros(0, 2), "scalar": torch.tensor(2.5)},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}, 1: {}}, "groups": [{"lr": 0.1, "params": [0, 1]}]},
        "kinds": [torch.ones(2, 3).to(dtype) for dtype in DTYPES],
        "plain": (1, -2.5, "text", None, True, 1e-300),
    }


def test_round_trip_of_everything_that_a_training_has(tmp_path):
    state = a_state()
    state_files.save(tmp_path / "state", state)
    assert same(state, state_files.load(tmp_path / "state"))


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(trees)
def test_round_trip_of_plain_values(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("tree") / "state"
    state_files.save(path, tree)
    assert same(tree, state_files.load(path))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_bits_that_are_no_numbers_are_kept(tmp_path, dtype):
    bits = torch.arange(64, dtype=torch.uint8)
    tensor = (bits % 2 if dtype is torch.bool else bits + 192).view(dtype)
    state_files.save(tmp_path / "state", [tensor])
    assert same([tensor], state_files.load(tmp_path / "state"))


def test_memory_layout_and_shared_storage_do_not_matter(tmp_path):
    base = torch.randn(2, 3, 4, 5)
    state = {"last": base.to(memory_format=torch.channels_last), "turned": base.permute(3, 1, 0, 2), "part": base[:, 1]}
    state_files.save(tmp_path / "state", state)
    loaded = state_files.load(tmp_path / "state")
    assert all(torch.equal(state[name], loaded[name]) for name in state)
    assert state_files.tensors_digest({"w": state["last"]}) == state_files.tensors_digest({"w": base})


def test_names_that_would_run_together_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Two tensors"):
        state_files.save(tmp_path / "state", {"a/b": torch.ones(1), "a": {"b": torch.zeros(1)}})


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("v", torch.tensor([1.0, 2.0])),
        ("w", torch.tensor([1.0, 2.5])),
        ("w", torch.tensor([[1.0, 2.0]])),
        ("w", torch.tensor([1.0, 2.0], dtype=torch.float64)),
    ],
)
def test_the_digest_tells_names_values_shapes_and_dtypes_apart(name, tensor):
    assert state_files.tensors_digest({name: tensor}) != state_files.tensors_digest({"w": torch.tensor([1.0, 2.0])})


def test_any_flipped_bit_is_found(tmp_path):
    """In the length, the header, the values: an error, or the flip said nothing (a bit of padding)."""
    path = tmp_path / "state"
    state = {"epoch": 3, "w": torch.tensor([1.0, -2.0]), "records": [{"accuracy": 0.5}]}
    state_files.save(path, state)
    whole = path.read_bytes()
    found = 0
    for k in range(len(whole)):
        path.write_bytes(whole[:k] + bytes([whole[k] ^ (1 << k % 8)]) + whole[k + 1 :])
        try:
            assert same(state, state_files.load(path)), f"byte {k} of {len(whole)}"
        except InputError:
            found += 1
    assert found > 0.95 * len(whole)


def test_any_cut_is_found(tmp_path):
    path = tmp_path / "state"
    state_files.save(path, {"w": torch.arange(6.0), "epoch": 3})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            state_files.load(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip file of torch.save", b"\x80\x04pickle", b"{}" * 1000])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(InputError, match="truncated, damaged or of another kind"):
        state_files.load(path)


def test_other_versions_and_makers_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "state"
    save_file({"w": torch.ones(1)}, path)
    with pytest.raises(InputError, match="has format 'none'; this version of spikedistill reads 2"):
        state_files.load(path)
    monkeypatch.setattr(state_files, "FORMAT", 3)
    state_files.save(path, {"w": torch.ones(1)})
    monkeypatch.undo()
    with pytest.raises(InputError, match="has format '3'; this version of spikedistill reads 2"):
        state_files.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*/state"):
        state_files.load(tmp_path / "state")


def test_no_code_of_the_file_is_run(tmp_path):
    """The header is JSON; what looks like a reference in it is data."""
    state = {"$tensor": "w", "w": torch.ones(1), "$items": [1]}
    state_files.save(tmp_path / "state", state)
    assert same(state, state_files.load(tmp_path / "state"))


LIMITED = """
import resource, sys, torch
from pathlib import Path
from spikedistill.machine import state_files
path = Path(sys.argv[1])
state_files.save(path, {"epoch": 1, "w": torch.ones(1000)})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    state_files.save(path, {"epoch": 2, "w": torch.ones(1_000_000)})
except OSError as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    """The operating system itself refuses to write on."""
    path = tmp_path / "run" / "checkpoint.safetensors"
    path.parent.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.startswith(
        f"NotSavedError {path} cannot be written: File too large. What was saved before stands"
    )
    assert state_files.load(path)["epoch"] == 1
    assert os.listdir(path.parent) == [path.name]


def test_a_failure_at_the_last_moment_leaves_no_partial_file(tmp_path, monkeypatch):
    path = tmp_path / "state"
    state_files.write_atomically(path, b"old")
    for failure, expected in (
        (OSError(28, "No space left on device"), NotSavedError),
        (KeyboardInterrupt(), BaseException),
    ):

        def fail(_descriptor, failure=failure):
            raise failure

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(expected):
            state_files.write_atomically(path, b"new")
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["state"]


def test_what_killed_processes_left_is_removed(tmp_path):
    (tmp_path / ".checkpoint.safetensors.123.partial").write_bytes(b"half")
    (tmp_path / "checkpoint.safetensors").write_bytes(b"whole")
    state_files.remove_partial_files(tmp_path)
    assert os.listdir(tmp_path) == ["checkpoint.safetensors"]


def test_the_tensors_can_be_read_by_others(tmp_path):
    from safetensors.torch import load_file

    state_files.save(tmp_path / "weights", {"conv.weight": torch.ones(2), "head.bias": torch.zeros(3)})
    assert set(load_file(tmp_path / "weights")) == {"conv.weight", "head.bias"}
