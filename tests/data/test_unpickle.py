import io
import os
import pickle
import struct

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
    ids=repr,
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
