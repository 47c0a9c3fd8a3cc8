"""The safetensors container: named tensors and a few strings in one file.

Eight bytes with the length of the header, the header in JSON, the values one after the other. It is written here and
not by the library because the library keeps no order in its header (equal states gave unequal files), holds all of the
file in memory beside the tensors, and opens a path twice to read it (half of one version and half of the next, where
another process replaces the file). Format: https://github.com/huggingface/safetensors#format
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
METADATA = "__metadata__"
LARGEST_HEADER = 100_000_000
"""Bytes, as in the library."""


def write(file: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors, widest type first and then by name: equal ones give equal bytes.

    Tensors of any device, memory order and stride; one at a time is held as a copy.

    Raises:
        ValueError: the format knows no such dtype, or keeps the name for itself.
    """
    header: dict[str, Any] = {METADATA: dict(sorted(metadata.items()))}
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    position = 0
    for name in order:
        tensor = tensors[name]
        if tensor.dtype not in NAMES or name == METADATA:
            raise ValueError(f"safetensors does not hold a tensor {name!r} of {tensor.dtype}.")
        end = position + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the values begin at a multiple of eight
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for name in order:
        file.write(values(tensors[name]))


def values(tensor: Tensor) -> memoryview:
    """Return a tensor's numbers as bytes, in row-major order; a copy only where they do not lie like that."""
    view: memoryview = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return view


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors, on the CPU, and the metadata of one version of a file, whoever replaces it meanwhile.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file: truncated, damaged, or of another kind.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, LARGEST_HEADER):
            raise ValueError(f"it says that its header has {length} bytes, and it has {size} in all")
        header = _parse(file.read(length))
        metadata = header.pop(METADATA, {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("its metadata is not made of strings")
        places = _places(header, size - 8 - length)
        try:
            tensors = {name: torch.empty(shape, dtype=dtype) for name, (dtype, shape) in places.items()}
        except RuntimeError as error:
            raise ValueError("its tensors do not fit into memory") from error
        for name, tensor in tensors.items():
            if file.readinto(values(tensor)) != tensor.numel() * tensor.element_size():
                raise ValueError(f"it ends within {name!r}")
    return tensors, metadata


def _parse(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("its header is not JSON") from error
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return header


def _places(header: dict[str, Any], size: int) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """Return dtype and shape of each tensor, in the order of their values, which fill the file without a gap."""
    places = {}
    position = 0
    try:
        for name, entry in sorted(header.items(), key=lambda item: tuple(item[1]["data_offsets"])):
            dtype, shape = DTYPES[entry["dtype"]], tuple(entry["shape"])
            begin, end = entry["data_offsets"]
            if not all(type(n) is int and 0 <= n < 2**48 for n in (*shape, begin, end)) or len(shape) > 64:
                raise ValueError
            if begin != position or end - begin != math.prod(shape) * dtype.itemsize:
                raise ValueError
            places[name] = dtype, shape
            position = end
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("its header does not say where its tensors lie") from error
    if position != size:
        raise ValueError(f"its tensors have {position} bytes, and it holds {size}")
    return places
