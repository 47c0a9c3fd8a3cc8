"""Event files are written here from their descriptions, event by event, and read back; frames are counted by hand."""

import os
import struct

import numpy as np
import pytest
import torch

from spikedistill.data import CIFAR10DVS, NMNIST, DVSGesture
from spikedistill.data.event_files import Events, read_aedat2, read_aedat3, read_nmnist
from spikedistill.data.event_frames import to_frames
from spikedistill.errors import InputError

EVENTS = [(10, 3, 5, 1), (12, 33, 0, 0), (70_000, 0, 33, 1), (70_001, 3, 5, 1)]
"""t, x, y, p."""


def write_bin(path, events):
    path.parent.mkdir(parents=True, exist_ok=True)
    words = [bytes([x, y]) + (p << 23 | t).to_bytes(3, "big") for t, x, y, p in events]
    path.write_bytes(b"".join(words))


def write_aedat2(path, events):
    path.parent.mkdir(parents=True, exist_ok=True)
    body = b"".join(struct.pack(">II", (127 - x) << 8 | (127 - y) << 1 | (1 - p), t) for t, x, y, p in events)
    path.write_bytes(b"#!AER-DAT2.0\r\n# comment\r\n" + body)


def packet(events, kind=1, overflows=0, size=8):
    body = b"".join(struct.pack("<II", x << 17 | y << 2 | p << 1 | 1, t) for t, x, y, p in events)
    return struct.pack("<HHIIIIII", kind, 1, size, 4, overflows, len(events), len(events), len(events)) + body


def write_aedat3(path, *packets):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n" + b"".join(packets))


def as_rows(events):
    return [tuple(int(part[k]) for part in events) for k in range(len(events.t))]


def test_bin(tmp_path):
    path = tmp_path / "a.bin"
    write_bin(path, EVENTS)
    assert as_rows(read_nmnist(path)) == EVENTS
    write_bin(path, [EVENTS[0], (0, 0, 240, 0), EVENTS[1]])
    assert as_rows(read_nmnist(path)) == [EVENTS[0], (12 + 2**13, 33, 0, 0)]


def test_aedat2(tmp_path):
    path = tmp_path / "a.aedat"
    write_aedat2(path, EVENTS)
    assert as_rows(read_aedat2(path)) == EVENTS
    with path.open("ab") as file:
        file.write(struct.pack(">II", 1 << 15, 99))  # a signal from outside
    assert as_rows(read_aedat2(path)) == EVENTS


def test_aedat3(tmp_path):
    path = tmp_path / "a.aedat"
    invalid = struct.pack("<HHIIIIII", 1, 1, 8, 4, 0, 1, 1, 0) + struct.pack("<II", 5 << 17, 7)
    write_aedat3(path, packet(EVENTS[:2]), packet(EVENTS, kind=2), invalid, packet(EVENTS[2:], overflows=1))
    late = [(t + 2**31, x, y, p) for t, x, y, p in EVENTS[2:]]
    assert as_rows(read_aedat3(path)) == EVENTS[:2] + late


@pytest.mark.parametrize(
    ("write", "read", "words"),
    [
        (lambda at: write_bin(at, [(0, 34, 0, 1)]), read_nmnist, r"column 34, row 0, outside the sensor of 34 x 34"),
        (lambda at: write_bin(at, [(0, 0, 239, 1)]), read_nmnist, "row 239, outside"),
        (lambda at: at.write_bytes(b"123456"), read_nmnist, "truncated: 6 bytes are no multiple"),
        (lambda at: at.write_bytes(b"123456"), read_aedat2, "does not begin with the header of an AEDAT 2 file"),
        (lambda at: at.write_bytes(b"# a\r\n1234567"), read_aedat2, "truncated: 7 bytes after the header"),
        (lambda at: at.write_bytes(b"# a\r\n" + struct.pack(">II", 1 << 16, 0)), read_aedat2, "0x10000, outside"),
        (lambda at: at.write_bytes(b"#!AER-DAT3.1\r\n"), read_aedat3, "header of an AEDAT 3.1 file"),
        (lambda at: write_aedat3(at, packet(EVENTS)[:20]), read_aedat3, "truncated: 20 bytes where a packet's header"),
        (lambda at: write_aedat3(at, packet(EVENTS)[:-1]), read_aedat3, "truncated: 31 bytes where a packet of 32"),
        (lambda at: write_aedat3(at, packet(EVENTS, size=0)), read_aedat3, "damaged: a packet of 4 of 4"),
        (lambda at: write_aedat3(at, packet([(0, 128, 1, 1)])), read_aedat3, "column 128, row 1, outside"),
        (lambda at: os.mkfifo(at), read_nmnist, "no regular file"),
        (lambda at: None, read_aedat3, "cannot be read: No such file"),
    ],
)
def test_damaged_files_are_refused(tmp_path, write, read, words):
    path = tmp_path / "a"
    write(path)
    with pytest.raises(InputError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)


def counted(events, frame_of, frames, height, width):
    """Frames by a loop over events."""
    out = np.zeros((frames, 2, height, width), np.int64)
    for k, (t, x, y, p) in enumerate(events):
        out[frame_of(k, t), p, y, x] += 1
    return out.clip(max=255)


def test_frames_by_count_and_by_time():
    draw = np.random.default_rng(0)
    t = np.sort(draw.integers(100, 5000, 23))
    events = Events(t, draw.integers(0, 3, 23), draw.integers(0, 2, 23), draw.integers(0, 2, 23))
    rows = as_rows(events)
    assert np.array_equal(to_frames(events, 4, "count", 2, 3), counted(rows, lambda k, _: min(k // 5, 3), 4, 2, 3))
    wide = (t[-1] - t[0]) // 4
    by_time = counted(rows, lambda _, time: min((time - t[0]) // wide, 3), 4, 2, 3)
    assert np.array_equal(to_frames(events, 4, "time", 2, 3), by_time)


def test_few_events_many_events_and_none():
    one = Events(*(np.array([value]) for value in (7, 1, 0, 1)))
    assert to_frames(one, 3, "count", 2, 2).sum((1, 2, 3)).tolist() == [1, 0, 0]
    assert to_frames(one, 3, "time", 2, 2).sum() == 1
    many = Events(*(np.repeat(part, 900) for part in one))
    assert to_frames(many, 3, "count", 2, 2)[:, 1, 0, 1].tolist() == [255] * 3
    with pytest.raises(InputError, match="no events"):
        to_frames(Events(*(part[:0] for part in one)), 3, "count", 2, 2)


def test_nmnist(tmp_path):
    for part in ("Train", "Test"):
        for digit in (0, 1):
            for k in range(2):
                write_bin(tmp_path / "NMNIST" / part / str(digit) / f"{k}.bin", [(5 + k, digit, 2, 1)] * 3)
    data = NMNIST(root=str(tmp_path), frames=2).with_facts()
    assert (data.classes, data.shape, data.steps, data.sample_shape) == (2, (2, 34, 34), 2, (2, 2, 34, 34))
    train = data.load().train
    assert train.labels.tolist() == [0, 0, 1, 1]
    assert train.images[2, :, 1, 2, 1].tolist() == [1, 2]
    assert train.images.sum() == 12
    (tmp_path / "NMNIST" / "Test" / "1" / "0.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"Test/1/0.bin: There are no events"):
        NMNIST(root=str(tmp_path)).load()


def test_cifar10_dvs(tmp_path):
    for name in ("airplane", "automobile"):
        for k in range(10):
            write_aedat2(tmp_path / "CIFAR10DVS" / name / f"cifar10_{name}_{k}.aedat", [(9, k, 100, 0)])
    data = CIFAR10DVS(root=str(tmp_path), frames=1).with_facts()
    assert (data.train_counts, data.test_counts, data.shape) == ((9, 9), (1, 1), (2, 128, 128))
    splits = data.load()
    assert splits.test.images[0].nonzero().tolist() == [[0, 0, 100, 9]]
    assert splits.train.images[11].nonzero().tolist() == [[0, 0, 100, 2]]


@pytest.fixture
def gestures(tmp_path):
    """One recording to train on, one to test on, of two gestures each; the second ends when the last event comes."""
    place = tmp_path / "DvsGesture"
    for name in ("user01_led", "user24_led"):
        write_aedat3(place / f"{name}.aedat", packet([(t, t, 2, 1) for t in range(20, 60, 10)]))
        (place / f"{name}_labels.csv").write_text("class,startTime_usec,endTime_usec\n1,20,40\n2,40,50\n")
    (place / "trials_to_train.txt").write_text("user01_led.aedat\n\n")
    (place / "trials_to_test.txt").write_text("user24_led.aedat\n")
    return place


def test_dvs_gesture(gestures):
    data = DVSGesture(root=str(gestures.parent), frames=2).with_facts()
    assert (data.train_counts, data.test_counts, data.steps) == ((1, 1), (1, 1), 2)
    train = data.load().train
    assert train.images[0].nonzero().tolist() == [[0, 1, 2, 20], [1, 1, 2, 30]]
    assert train.images[1].nonzero().tolist() == [[0, 1, 2, 40]]


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("user01_led_labels.csv", "class,start\n", "does not begin with the line class,startTime_usec"),
        ("user01_led_labels.csv", "class,startTime_usec,endTime_usec\n1,20\n", "Line 2 of .* three whole numbers"),
        ("user01_led_labels.csv", "class,startTime_usec,endTime_usec\n12,20,30\n", r"gesture 12 \(of 1 to 11\)"),
        (
            "user01_led_labels.csv",
            "class,startTime_usec,endTime_usec\n1,70,80\n",
            "user01_led.aedat: There are no events",
        ),
        ("trials_to_test.txt", "../user24_led.aedat\n", "which is no file's name"),
        ("trials_to_test.txt", "", "names no recordings"),
        ("trials_to_test.txt", "user99.aedat", r"user99.aedat cannot be read: No such file"),
    ],
)
def test_what_is_wrong_with_gestures_is_named(gestures, file, text, words):
    (gestures / file).write_text(text)
    with pytest.raises(InputError, match=words):
        DVSGesture(root=str(gestures.parent)).load()


@pytest.mark.parametrize("kind", [NMNIST, CIFAR10DVS, DVSGesture])
def test_recordings_that_are_not_there(kind, tmp_path):
    with pytest.raises(InputError, match=rf"{kind.folder} is not there. Unpack"):
        kind(root=str(tmp_path)).load()
    assert not kind().described
    with pytest.raises(InputError, match="frames must be 1 or more"):
        kind(frames=0)


@pytest.mark.parametrize(("kind", "classes"), [(NMNIST, 10), (DVSGesture, 11), (CIFAR10DVS, 10)])
def test_what_is_known_without_the_recordings(kind, classes, tmp_path):
    data = kind(root=str(tmp_path), frames=3).without_files()
    assert (data.classes, data.sample_shape, len(data.mean)) == (classes, (3, 2, *kind.sensor), 2)
    assert data.without_files() == data
    with pytest.raises(InputError, match="is not there"):
        data.load()


def test_the_recipes_steps_must_be_those_of_the_frames(cli, tmp_path):
    for part in ("Train", "Test"):
        for digit in (0, 1):
            write_bin(tmp_path / "NMNIST" / part / str(digit) / "0.bin", EVENTS)
    words = ("train", "digits-scratch", "--data", "nmnist", "--data.root", str(tmp_path), "--device", "cpu")
    code, _, said = cli(*words, "--steps", "4")
    assert (code, "Take --steps 10, or --data.frames 4." in said) == (2, True)
    code, _, said = cli(*words, "--steps", "2", "--data.frames", "2", "--epochs", "1", "--batch-size", "2")
    assert code == 0, said


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("SPIKEDISTILL_DATA"), reason="SPIKEDISTILL_DATA is not set")
def test_real_recordings():
    """N-MNIST's own files: three saccades of some 100 ms, about 4000 events."""
    data = NMNIST()
    train, test = data.load().train, data.load().test
    assert set(train.labels.tolist()) == set(test.labels.tolist()) == set(range(10))
    events = train.images.long().flatten(1).sum(1)
    assert torch.all((events > 500) & (events < 20_000))
    path = next((data.place() / "Train" / "0").glob("*.bin"))
    recorded = read_nmnist(path)
    assert np.all(np.diff(recorded.t) >= 0)
    assert 250_000 < recorded.t[-1] < 350_000
