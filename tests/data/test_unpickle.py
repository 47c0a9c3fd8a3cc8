import contextlib
import io
import os
import pickle
import struct
import time
import tracemalloc

import numpy as np
import pytest

from spikedistill.data import unpickle
from spikedistill.data.unpickle import RefusedError

ARRAYS = [
    np.arange(12, dtype=np.uint8).reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype=np.int64).reshape(3, 4)),
    np.arange(5, dtype=">i4"),
    np.array([0.5, -1.0], dtype=np.float32),
    np.array([True, False]),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_come_back(array, protocol):
    back = unpickle.loads(pickle.dumps({b"data": array}, protocol))[b"data"]
    assert back.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert np.array_equal(back, array)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back(protocol):
    value = {"a": [1, -2, 3.5, None, True, b"bytes", "text"], b"b": (1, (2, [])), 3: {"x": 2**70}}
    assert unpickle.loads(pickle.dumps(value, protocol)) == value
    assert unpickle.loads(pickle.dumps([np.int64(7), np.float32(0.5)], protocol)) == [7, 0.5]


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_names_of_old_and_new_numpy(core):
    data = pickle.dumps(ARRAYS[0], protocol=2)
    for known in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
        data = data.replace(known, f"{core}.multiarray".encode())
    assert np.array_equal(unpickle.loads(data), ARRAYS[0])


def test_a_pickle_of_python_2():
    # What Python 2 wrote at protocol 2 for {'data': array([[1, 2]], dtype=uint8), 'labels': [3]}: strings are bytes.
    def text(value):
        return b"U" + struct.pack("<B", len(value)) + value

    dtype = (
        b"cnumpy\ndtype\n"
        + text(b"u1")
        + b"K\x00K\x01\x87R(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    array += b"(K\x01K\x01K\x02\x86" + dtype + b"\x89" + text(b"\x01\x02") + b"tb"
    back = unpickle.loads(b"\x80\x02}(" + text(b"data") + array + text(b"labels") + b"]K\x03au.")
    assert back[b"labels"] == [3]
    assert back[b"data"].tolist() == [[1, 2]]
    assert back[b"data"].dtype == np.uint8


class RunsCommand:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


class MakesFolder:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("attack", [RunsCommand, MakesFolder])
def test_a_pickle_that_would_run_something_is_refused(tmp_path, attack, protocol):
    target = tmp_path / "owned"
    data = pickle.dumps({"data": attack(target)}, protocol)
    with pytest.raises(RefusedError):
        unpickle.loads(data)
    assert not target.exists()
    pickle.loads(data)
    assert target.exists(), "the attack itself does not work"


@pytest.mark.parametrize(
    "value",
    [np.array([object()]), np.array(["text"]), np.zeros(2, "i4,f4"), {1, 2}, np.dtype("u1"), 1j, io.BytesIO, range(3)],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_other_values_are_refused(value):
    with pytest.raises(RefusedError):
        unpickle.loads(pickle.dumps(value, 2))


def test_dotted_names_do_not_lead_elsewhere():
    for name in (b"dtype.__init__", b"ndarray.__class__", b"f2py.os.system"):
        with pytest.raises(RefusedError):
            unpickle.loads(b"\x80\x04\x8c\x05numpy\x8c" + bytes([len(name)]) + name + b"\x93.")


def test_an_array_that_claims_more_than_it_holds_is_refused():
    data = pickle.dumps(np.zeros((3, 4), np.uint8), 2).replace(b"K\x03K\x04\x86", b"K\x7fK\x7f\x86")
    with pytest.raises(ValueError, match="127"):
        unpickle.loads(data)


def shared(begin, join, depth):
    """Each holds the one before twice: few bytes, 2^depth to whoever walks through all."""
    return b"\x80\x02" + begin + b"q\x00" + b"".join(join % (k, k, k + 1) for k in range(depth))


LISTS, TUPLES = (b"]", b"](h%ch%ceq%c"), (b")", b"h%ch%c\x86q%c")
DTYPE = b"cnumpy\ndtype\n"
LATIN = b"c_codecs\nencode\nq\x01X\x00\x00\x10\x00" + b"a" * 2**20 + b"U\x06latin1\x86q\x02"
HOSTILE = {
    "lists in lists, shared": shared(*LISTS, 45) + b".",
    "a list that holds itself": b"]q\x00h\x00a.",
    "a key to be hashed": b"}" + shared(*TUPLES, 45)[2:] + b"Ns.",
    "a word to be printed": DTYPE + shared(*LISTS, 45)[2:] + b"\x85R.",
    "the shape of an array": b"cnumpy.core.numeric\n_frombuffer\n(C\x01a%bU\x02u1\x85R(%btU\x01CtR."
    % (DTYPE, b"J\xff\xff\xff\x7f" * 99),
    "a far number in the memo": b"Nr\x00\x00\x00\x70\x80\x02.",
    "bytes that are not there": b"\x96\x00\x00\x00\x00\x10\x00\x00\x00.",
    "copies of a large text": LATIN + b"](" + b"h\x01h\x02R" * 2000 + b"e.",
    "many marks": b"(" * 3_000_000 + b".",
    "the attributes of a function": b"c_codecs\nencode\n}(U\x01aK\x01ub.",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_few_bytes_cannot_take_much_time_or_memory(data):
    tracemalloc.start()
    start = time.monotonic()
    try:
        with contextlib.suppress(ValueError):
            unpickle.loads(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 20
    assert peak < 4 * len(data) + 100e6


@pytest.mark.parametrize("name", ["a key to be hashed", "a word to be printed", "the shape of an array", "many marks"])
def test_what_no_array_needs_is_refused(name):
    with pytest.raises(RefusedError):
        unpickle.loads(HOSTILE[name])


def test_the_number_of_instructions_is_bounded(monkeypatch):
    monkeypatch.setattr(unpickle, "MOST_INSTRUCTIONS", 1000)
    with pytest.raises(RefusedError, match="more than 1000 instructions"):
        unpickle.loads(b"]" * 2000 + b".")


def test_parts_that_are_shared_stay_shared():
    inner = [1]
    back = unpickle.loads(pickle.dumps([inner, inner], 2))
    assert back[0] is back[1]


def test_lists_in_lists_are_refused_from_some_depth_on():
    with pytest.raises(RefusedError, match="more than 50 deep"):
        unpickle.loads(b"]" * 100 + b"a" * 99 + b".")


def test_functions_stay_as_they_are():
    with pytest.raises(RefusedError, match="state of something else"):
        unpickle.loads(HOSTILE["the attributes of a function"])
