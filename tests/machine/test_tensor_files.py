"""Our safetensors files against the library's own reader and writer, and files that somebody has forged."""

import json
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from spikedistill.errors import InputError
from spikedistill.machine import state_files, tensor_files


def tensors():
    draw = torch.Generator().manual_seed(0)
    kinds = {
        str(dtype): torch.randint(0, 2, (3, 2), generator=draw).to(dtype) for dtype in tensor_files.DTYPES.values()
    }
    turned = torch.randn(2, 3, 4, 5, generator=draw).to(memory_format=torch.channels_last)
    return kinds | {"turned": turned, "part": turned[:, 1], "empty": torch.zeros(0, 7), "scalar": torch.tensor(2.0)}


def write(path, content, metadata=None):
    with path.open("wb") as file:
        tensor_files.write(file, content, metadata or {})


def same(one, other):
    return set(one) == set(other) and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and bytes(tensor_files.values(one[name])) == bytes(tensor_files.values(other[name]))
        for name in one
    )


def test_the_library_reads_what_is_written_here(tmp_path):
    write(tmp_path / "file", tensors(), {"said": "yes"})
    assert same(load_file(tmp_path / "file"), tensors())


def test_what_the_library_writes_is_read_here(tmp_path):
    whole = {name: tensor.contiguous().clone() for name, tensor in tensors().items()}
    save_file(whole, tmp_path / "file", {"said": "yes"})
    read, metadata = tensor_files.read(tmp_path / "file")
    assert same(read, tensors())
    assert metadata == {"said": "yes"}


@given(st.permutations(list(tensors())))
def test_equal_tensors_are_equal_files(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("order")
    write(folder / "one", tensors(), {"a": "1", "b": "2"})
    write(folder / "other", {name: tensors()[name] for name in order}, {"b": "2", "a": "1"})
    assert (folder / "one").read_bytes() == (folder / "other").read_bytes()


def forged(header, values=b"\0" * 8):
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return len(text).to_bytes(8, "little") + text + values


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


FORGED = {
    "nothing": b"",
    "length of the header": (2**63).to_bytes(8, "little") + b"{}",
    "nested lists": forged("[" * 100_000),
    "a list": forged([]),
    "digits": forged('{"w": ' + "9" * 5000 + "}"),
    "no entry": forged({"w": 1}),
    "dtype": forged(entry(dtype="F3")),
    "dtype that cannot be a key": forged(entry(dtype=[])),
    "shape below 0": forged(entry(shape=(-2,))),
    "shape of words": forged(entry(shape="12")),
    "shape of truth": forged(entry(shape=(True, 2))),
    "huge shape": forged(entry(shape=(10**30, 0), offsets=(0, 0)), b""),
    "huge shape of nothing": forged(entry(shape=(2**40, 2**40, 0), offsets=(0, 0)), b""),
    "more than there is": forged(entry(shape=(2**40,), offsets=(0, 2**42))),
    "offsets": forged(entry(offsets=(0, 8, 16))),
    "a gap": forged(entry(shape=(1,), offsets=(4, 8))),
    "two in one place": forged(entry() | {"v": entry()["w"]}),
    "metadata": forged(entry() | {"__metadata__": {"format": 2}}),
    "metadata of another kind": forged(entry() | {"__metadata__": []}),
    "too much": forged(entry(), b"\0" * 9),
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_headers_are_one_clear_line(what, tmp_path):
    path = tmp_path / "state"
    path.write_bytes(FORGED[what])
    with pytest.raises(InputError, match="is truncated, damaged or of another kind: ") as refused:
        state_files.load(path)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "tree", ["", "[" * 100_000, "{}", '{"$tensor": "v"}', '{"$items": [[[], 1]]}', '{"$items": 3}', '{"$tensor": {}}']
)
def test_forged_states_are_one_clear_line(tree, tmp_path):
    """Their digests are right: who forges a file can compute them."""
    digests = {"tree_sha256": state_files._sha256(tree), "sha256": state_files.tensors_digest({})}
    write(tmp_path / "state", {}, {"format": str(state_files.FORMAT), "tree": tree} | digests)
    with pytest.raises(InputError, match="was not written by spikedistill"):
        state_files.load(tmp_path / "state")


def test_names_that_are_no_text_are_kept(tmp_path):
    state = {"\ud800": torch.ones(1)}
    state_files.save(tmp_path / "state", state)
    assert list(state_files.load(tmp_path / "state")) == ["\ud800"]


def test_a_tensor_cannot_be_called_as_the_metadata(tmp_path):
    with pytest.raises(ValueError, match="does not hold a tensor '__metadata__'"):
        write(tmp_path / "state", {"__metadata__": torch.ones(1)})


def test_paths_that_are_no_text_and_pipes(tmp_path):
    odd = tmp_path / os.fsdecode(b"\xff")
    state_files.save(odd, {"w": torch.ones(1)})
    assert state_files.load(odd) == {"w": 1}
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="There is no file"):
        state_files.load(tmp_path / "pipe")


PEAK = """
import resource, sys, torch
from pathlib import Path
from spikedistill.machine import state_files
state = {"w": torch.ones(50, 1 << 20), "v": [torch.ones(1 << 20)] * 3}
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
if sys.argv[2] == "save":
    state_files.save(Path(sys.argv[1]), state)
    print(peak() - before)
else:
    del state
    state_files.load(Path(sys.argv[1]))
    print(peak() - before)
"""


def test_neither_saving_nor_loading_takes_a_second_copy(tmp_path):
    """A state of 200 MB; the loaded one takes the place of the one before."""
    for what, most in (("save", 40), ("load", 40)):
        done = subprocess.run(
            [sys.executable, "-c", PEAK, tmp_path / "state", what], capture_output=True, text=True, check=True
        )
        assert float(done.stdout) < most, what
