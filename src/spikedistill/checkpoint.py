"""State on disk: one safetensors file with JSON in its header, written atomically and checked when read.

A state is nested dicts, lists and tuples of tensors and plain values. The file holds the tensors; its header holds
everything else, the format's version and a SHA-256 of the tensors. No pickle.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from spikedistill.errors import InputError

FORMAT = 1
"""Version of what this module and `runs` write; a folder of another version is refused."""

_TENSOR = "$tensor"
_ITEMS = "$items"


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a file beside `path`, flush it to the disk, then rename: `path` is the old content or the new.

    Raises:
        OSError: the disk is full, say; the old content stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def save(path: Path, state: Any) -> None:
    """Write a state to `path`; the file that was there stands until the new one is complete."""
    tensors: dict[str, Tensor] = {}
    tree = _take_out(state, "", tensors)
    header = {"format": str(FORMAT), "tree": json.dumps(tree), "sha256": tensors_digest(tensors)}
    write_atomically(path, to_bytes(tensors, header))


def load(path: Path) -> Any:
    """Return the state that `save` wrote, tensors on the CPU.

    Raises:
        InputError: the file is missing, truncated, damaged or of another version.
    """
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path} is truncated or damaged ({error}). Delete it to start from the one before."
        ) from error
    if header.get("format") != str(FORMAT):
        raise InputError(f"{path} has format {header.get('format')}; this version of spikedistill reads {FORMAT}.")
    if header.get("sha256") != tensors_digest(tensors):
        raise InputError(f"{path} is damaged: its content is not what was written. Delete it to start again.")
    return _put_back(json.loads(header["tree"]), tensors)


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 in hex of names, dtypes, shapes and values."""
    result = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        result.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        result.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return result.hexdigest()


def _take_out(state: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Return `state` as JSON can hold it, with tensors replaced by their names; the tensors go into `tensors`."""
    if isinstance(state, Tensor):
        tensors[path] = state.detach().cpu().contiguous().clone()
        return {_TENSOR: path}
    if isinstance(state, Mapping):
        return {_ITEMS: [[key, _take_out(value, f"{path}/{key}".lstrip("/"), tensors)] for key, value in state.items()]}
    if isinstance(state, list | tuple):
        return [_take_out(value, f"{path}/{k}", tensors) for k, value in enumerate(state)]
    return state


def _put_back(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(tree, dict):
        if _TENSOR in tree:
            return tensors[tree[_TENSOR]]
        return {key: _put_back(value, tensors) for key, value in tree[_ITEMS]}
    if isinstance(tree, list):
        return [_put_back(value, tensors) for value in tree]
    return tree
