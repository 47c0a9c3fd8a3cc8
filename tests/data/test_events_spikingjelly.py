"""SpikingJelly's readers and frames, on files that its authors' formats describe and on real recordings of N-MNIST.

Its data room needs torchvision, which is not installed here: its functions are taken out of its source one by one.
"""

import ast
import math
import os
import struct
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spikedistill.data import NMNIST
from spikedistill.data.event_files import Events, read_aedat2, read_aedat3, read_nmnist
from spikedistill.data.event_frames import to_frames

found = find_spec("spikingjelly")
pytestmark = pytest.mark.skipif(found is None, reason="SpikingJelly is not installed: tests/oracles.txt")


def theirs(module, *names):
    """Functions and constants of one of its modules, without what the module imports."""
    assert found is not None
    assert found.origin is not None
    source = (Path(found.origin).parent / "datasets" / f"{module}.py").read_text()
    wanted = [
        node
        for node in ast.parse(source).body
        if getattr(node, "name", None) in names
        or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and module == "cifar10_dvs")
    ]
    space = {"np": np, "struct": struct, "math": math, "Path": Path}
    future = ast.parse("from __future__ import annotations").body
    exec(compile(ast.Module([*future, *wanted], []), module, "exec"), space)
    return SimpleNamespace(**{name: space[name] for name in names})


def events(number=3000, side=128, longest=10**6):
    draw = np.random.default_rng(0)
    t = np.sort(draw.integers(0, longest, number))
    return Events(t, *(draw.integers(0, high, number) for high in (side, side, 2)))


def same(mine, other):
    for name in ("t", "x", "y", "p"):
        assert np.array_equal(getattr(mine, name), np.asarray(other[name]).astype(np.int64)), name


def test_nmnist(tmp_path):
    recorded = events(side=34, longest=2**23)
    rows = zip(*recorded, strict=True)
    (tmp_path / "a.bin").write_bytes(
        b"".join(bytes([x, y]) + int(p << 23 | t).to_bytes(3, "big") for t, x, y, p in rows)
    )
    same(recorded, theirs("utils", "load_ATIS_bin").load_ATIS_bin(tmp_path / "a.bin"))
    same(read_nmnist(tmp_path / "a.bin"), recorded._asdict())


def test_aedat_2(tmp_path):
    draw = np.random.default_rng(1)
    words = np.stack([draw.integers(0, 1 << 15, 5000), np.sort(draw.integers(0, 1 << 30, 5000))], 1).astype(">u4")
    header = b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n# created by jAER\r\n"
    (tmp_path / "a.aedat").write_bytes(header + words.tobytes())
    reader = theirs(
        "cifar10_dvs",
        "_read_bits",
        "_skip_header",
        "_load_raw_events",
        "_parse_raw_address",
        "_load_events",
        "_load_origin_data",
    )
    same(read_aedat2(tmp_path / "a.aedat"), reader._load_origin_data(tmp_path / "a.aedat"))


def test_aedat_3(tmp_path):
    recorded, packets = events(), []
    for k, start in enumerate(range(0, 3000, 700)):
        part = [values[start : start + 700] for values in recorded]
        words = np.stack([part[1] << 17 | part[2] << 2 | part[3] << 1 | 1, part[0]], 1).astype("<u4")
        number = len(words)
        packets.append(struct.pack("<HHIIIIII", 1, 0, 8, 4, k // 3, number, number, number) + words.tobytes())
        packets.append(struct.pack("<HHIIIIII", 2, 0, 12, 8, 0, 2, 2, 2) + bytes(24))
    header = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
    (tmp_path / "a.aedat").write_bytes(header + b"".join(packets))
    same(read_aedat3(tmp_path / "a.aedat"), theirs("utils", "load_aedat_v3").load_aedat_v3(tmp_path / "a.aedat"))


NAMES = (
    "integrate_events_segment_to_frame",
    "cal_fixed_frames_number_segment_index",
    "integrate_events_by_fixed_frames_number",
)


@pytest.mark.parametrize("frames", [1, 4, 7, 16])
@pytest.mark.parametrize(("by", "theirs_by"), [("count", "number"), ("time", "time")])
def test_frames(frames, by, theirs_by):
    recorded = events(side=20)
    integrate = theirs("utils", *NAMES).integrate_events_by_fixed_frames_number
    assert np.array_equal(
        to_frames(recorded, frames, by, 20, 20), integrate(recorded._asdict(), theirs_by, frames, 20, 20)
    )


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("SPIKEDISTILL_DATA"), reason="SPIKEDISTILL_DATA is not set")
def test_real_recordings():
    load = theirs("utils", "load_ATIS_bin").load_ATIS_bin
    integrate = theirs("utils", *NAMES).integrate_events_by_fixed_frames_number
    for path in sorted((NMNIST().place() / "Test").glob("*/*.bin")):
        recorded, other = read_nmnist(path), load(path)
        same(recorded, other)
        for by, theirs_by in (("count", "number"), ("time", "time")):
            frames = integrate(other, theirs_by, 10, 34, 34)
            assert np.array_equal(to_frames(recorded, 10, by, 34, 34), frames.clip(max=255))
