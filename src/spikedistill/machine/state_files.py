"""State on disk: one safetensors file with JSON in its header, written atomically and checked when read.

A state is nested dicts, lists and tuples of tensors and plain values; tuples come back as lists. The file holds the
tensors; its header holds everything else, the format's version and a SHA-256 of each part. No pickle. Equal states give
equal files.
"""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from spikedistill.errors import InputError, NotSavedError
from spikedistill.machine import tensor_files

FORMAT = 2
"""Version of what this module and `runs` write; a folder of another version is refused."""

_PARTIAL = ".partial"
_TENSOR = "$tensor"
_ITEMS = "$items"
_WHAT_TO_DO = "Bring back a copy, or delete its folder to train the run again."


@contextlib.contextmanager
def atomically(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` to write to; at the end it is flushed to the disk and renamed to `path`.

    So `path` is the old content or the new. Many may write at once: the last one stands.

    Raises:
        NotSavedError: the disk is full, say, or the folder is gone; the old content stands.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{_PARTIAL}")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise NotSavedError(
                f"{path} cannot be written: {error.strerror or error}. What was saved before stands. Make room, or "
                "make the folder writable, and give the same command again."
            ) from error
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write bytes to `path`, in a folder that is there; see `atomically`."""
    with atomically(path) as file:
        file.write(content)


def remove_partial_files(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left; none may be writing."""
    for partial in folder.glob(f".*{_PARTIAL}"):
        partial.unlink(missing_ok=True)


def save(path: Path, state: Any) -> None:
    """Write a state to `path`; the file that was there stands until the new one is complete.

    Raises:
        NotSavedError: see `atomically`.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_take_out(state, "", tensors))
    header = {"format": str(FORMAT), "tree": tree, "tree_sha256": _sha256(tree), "sha256": tensors_digest(tensors)}
    with atomically(path) as file:
        tensor_files.write(file, tensors, header)


def load(path: Path) -> Any:
    """Return the state that `save` wrote, tensors on the CPU.

    Raises:
        InputError: the file is missing, truncated, damaged or of another version.
    """
    if not os.path.isfile(path):
        raise InputError(f"There is no file {path}. Delete its folder to train the run again.")
    try:
        tensors, header = tensor_files.read(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is truncated, damaged or of another kind: {error}. {_WHAT_TO_DO}") from error
    if header.get("format") != str(FORMAT):
        raise InputError(
            f"{path} has format {header.get('format', 'none')[:20]!r}; this version of spikedistill reads {FORMAT}. "
            f"{_WHAT_TO_DO}"
        )
    tree = header.get("tree", "")
    if header.get("sha256") != tensors_digest(tensors) or header.get("tree_sha256") != _sha256(tree):
        raise InputError(f"{path} is damaged: its content is not what was written. {_WHAT_TO_DO}")
    try:
        return _put_back(json.loads(tree), tensors)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} was not written by spikedistill: its state cannot be read. {_WHAT_TO_DO}") from error


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 in hex of names, dtypes, shapes and values."""
    result = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        result.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode(errors="surrogatepass"))
        result.update(tensor_files.values(tensor))
    return result.hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _take_out(state: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Return `state` as JSON can hold it, with tensors replaced by their names; the tensors go into `tensors`."""
    if isinstance(state, Tensor):
        if path in tensors:
            raise ValueError(f"Two tensors of the state are called {path!r}.")
        tensors[path] = state.detach()
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
