"""Readers of published event recordings: N-MNIST's .bin, AEDAT 2 of CIFAR10-DVS, AEDAT 3.1 of DVS-Gesture.

An event is a pixel that has become brighter (ON) or darker (OFF) at a time. Each reader returns `Events` within the
sensor; a file that is truncated, or has events outside it, is refused.
"""

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikedistill.data.files import open_file, reason
from spikedistill.errors import InputError

MOST_BYTES = 2**31
"""Of a file; DVS-Gesture's largest have some 200 million."""
NMNIST_OVERFLOW = 240
"""The row that N-MNIST's files give to what is no event: the clock has overflown."""
END_OF_HEADER = b"#!END-HEADER\r\n"
PACKET = struct.Struct("<hhiiiiii")
"""AEDAT 3.1: type, source, bytes of an event, offset of its time, overflows of the clock, capacity, number, valid."""
POLARITY = 1
"""AEDAT 3.1's type of packets of events of pixels."""


class Events(NamedTuple):
    """Events in the order of the file, each array [N]."""

    t: NDArray[Any]
    """Microseconds, int64."""
    x: NDArray[Any]
    """Column from the left."""
    y: NDArray[Any]
    """Row from the top."""
    p: NDArray[Any]
    """1 for ON, 0 for OFF."""


def read_nmnist(path: Path, height: int = 34, width: int = 34) -> Events:
    """Return the events of one of N-MNIST's files (Orchard et al., 2015): five bytes each.

    Column, row, then a bit of polarity and 23 bits of time, big-endian. A row of 240 says that the clock has overflown:
    later times are 2^13 larger, as in the authors' reader.

    Raises:
        InputError: the file cannot be read, is truncated, or has events outside the sensor.
    """
    data = np.frombuffer(_read(path), np.uint8)
    if len(data) % 5:
        raise _truncated(path, f"{len(data)} bytes are no multiple of an event's 5")
    x, y, high, middle, low = data.reshape(-1, 5).T.astype(np.int64)
    overflow = y == NMNIST_OVERFLOW
    t = ((high & 127) << 16 | middle << 8 | low) + (np.cumsum(overflow) << 13)
    return _within(path, Events(*(part[~overflow] for part in (t, x, y, high >> 7))), height, width)


def read_aedat2(path: Path, height: int = 128, width: int = 128) -> Events:
    """Return the events of an AEDAT 2 file of a DVS128, as CIFAR10-DVS has them (Li et al., 2017).

    Lines that begin with #, then an address and a time of four bytes each, big-endian. Of the address bit 0 is the
    polarity (0 for ON), bits 1 to 7 and 8 to 14 the place; bit 15 marks signals from outside, which are left out. The
    picture is turned upright as SpikingJelly does: column 127 - bits 8 to 14, row 127 - bits 1 to 7.

    Raises:
        InputError: the file cannot be read, is truncated, or has events outside the sensor.
    """
    data = _read(path)
    start = 0
    while data[start : start + 1] == b"#":
        start = data.find(b"\n", start) + 1 or len(data)
    if start == 0:
        raise InputError(f"{path} does not begin with the header of an AEDAT 2 file (lines that begin with #).")
    if (len(data) - start) % 8:
        raise _truncated(path, f"{len(data) - start} bytes after the header are no multiple of an event's 8")
    address, t = np.frombuffer(data, ">u4", offset=start).astype(np.int64).reshape(-1, 2).T
    if (address >> 16).any():
        raise _outside(path, f"the address {int(address[(address >> 16) > 0][0]):#x}", height, width)
    pixel = (address >> 15) == 0
    address, t = address[pixel], t[pixel]
    x, y = 127 - (address >> 8 & 127), 127 - (address >> 1 & 127)
    return _within(path, Events(t, x, y, 1 - (address & 1)), height, width)


def read_aedat3(path: Path, height: int = 128, width: int = 128) -> Events:
    """Return the events of an AEDAT 3.1 file, as DVS-Gesture has them (Amir et al., 2017).

    Lines up to #!END-HEADER, then packets, little-endian: a header of 28 bytes and events of four bytes of place and
    four of time. Of the former bit 0 says whether the event is valid (others are left out, which SpikingJelly counts
    too), bit 1 is the polarity, bits 2 to 16 are the row and 17 to 31 the column. Packets of other things than events
    of pixels are left out.

    Raises:
        InputError: the file cannot be read, is truncated, or has events outside the sensor.
    """
    data = _read(path)
    at = data.find(END_OF_HEADER)
    if not data.startswith(b"#!AER-DAT3.") or at < 0:
        raise InputError(f"{path} does not begin with the header of an AEDAT 3.1 file (#!AER-DAT3.1 to #!END-HEADER).")
    at += len(END_OF_HEADER)
    places, times = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    while at < len(data):
        if at + PACKET.size > len(data):
            raise _truncated(path, f"{len(data) - at} bytes where a packet's header of {PACKET.size} should be")
        kind, _, size, _, overflows, capacity, number, _ = PACKET.unpack_from(data, at)
        at += PACKET.size
        if size <= 0 or not 0 <= number <= capacity or (kind == POLARITY and size != 8) or overflows < 0:
            raise InputError(f"{path} is damaged: a packet of {number} of {capacity} events of {size} bytes.")
        if at + size * capacity > len(data):
            raise _truncated(path, f"{len(data) - at} bytes where a packet of {size * capacity} should be")
        if kind == POLARITY:
            words = np.frombuffer(data, "<u4", 2 * number, at).astype(np.int64).reshape(-1, 2)
            words = words[words[:, 0] & 1 == 1]
            places.append(words[:, 0])
            times.append(words[:, 1] + (overflows << 31))
        at += size * capacity
    place = np.concatenate(places)
    events = Events(np.concatenate(times), place >> 17, place >> 2 & 0x7FFF, place >> 1 & 1)
    return _within(path, events, height, width)


def _read(path: Path) -> bytes:
    try:
        with open_file(path, MOST_BYTES) as file:
            return file.read()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error


def _within(path: Path, events: Events, height: int, width: int) -> Events:
    outside = (events.x >= width) | (events.y >= height)
    if outside.any():
        first = int(outside.argmax())
        where = f"an event at column {int(events.x[first])}, row {int(events.y[first])}"
        raise _outside(path, where, height, width)
    return events


def _outside(path: Path, where: str, height: int, width: int) -> InputError:
    return InputError(
        f"{path} has {where}, outside the sensor of {height} x {width}. Replace it by the published file."
    )


def _truncated(path: Path, what: str) -> InputError:
    return InputError(f"{path} is truncated: {what}. Replace it by the published file.")
