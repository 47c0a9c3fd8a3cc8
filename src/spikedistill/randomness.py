"""Random numbers without a generator: each is a function of (seed, epoch, index, stream).

A number does not depend on the numbers that were drawn before it, on the batch it is drawn in, or on the device. It is
the `index`-th output of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
2014) started at a key that the same mixing function makes of seed, epoch and stream.
"""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
SHIFTS = (30, 27, 31)
WORD = (1 << 64) - 1
BITS = 24
"""Random bits in a uniform number: as many as a float32 holds."""


class Stream(IntEnum):
    """What a number is for. Numbers of different streams are independent.

    The values are part of every result: give a new purpose a new value, never change one.
    """

    ORDER = 0
    SUBSET = 1
    CROP_Y = 10
    CROP_X = 11
    FLIP = 12
    CUTOUT_Y = 13
    CUTOUT_X = 14
    POLICY = 20
    POLICY_APPLY_1 = 21
    POLICY_APPLY_2 = 22
    POLICY_SIGN_1 = 23
    POLICY_SIGN_2 = 24
    STEPS = 30


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch: each a function of (seed, epoch, index, stream) and of its place in the sample.

    A stream is one of `Stream`, or any string: a purpose of one's own, whose numbers are as independent.
    """

    seed: int
    epoch: int
    """Or the view, for augmentation."""
    index: Int[Tensor, " B"]
    """Each sample's number in the training set."""

    def uniform(self, stream: int | str, *shape: int) -> Float[Tensor, "B *shape"]:
        """Float32 multiples of 2^-24 in [0, 1), on the device of the index."""
        return uniform(self.seed, self.epoch, self._places(shape), _number(stream))

    def integers(self, below: int, stream: int | str, *shape: int) -> Int[Tensor, "B *shape"]:
        """Whole numbers in [0, below), as int64; see `integers`."""
        return integers(below, self.seed, self.epoch, self._places(shape), _number(stream))

    def uniform_at(
        self, stream: int | str, row: Int[Tensor, " N"], place: Int[Tensor, " N"], size: int
    ) -> Float[Tensor, " N"]:
        """Some of the numbers of `uniform(stream, size)`, without the others: result[n] is its [row[n], place[n]]."""
        return uniform(self.seed, self.epoch, self.index.to(torch.int64)[row] * size + place, _number(stream))

    def _places(self, shape: tuple[int, ...]) -> Int[Tensor, "B *shape"]:
        """The index itself where one number a sample is drawn, else a number for each place of each sample."""
        size = math.prod(shape)
        index = self.index.to(torch.int64)
        if not shape:
            return index
        return (index[:, None] * size + torch.arange(size, device=index.device)).view(-1, *shape)


_current: Draws | None = None
"""A plain variable of the module; it is the process's, not the thread's."""


@contextmanager
def drawing(draws: Draws) -> Iterator[None]:
    """Context of a pass for a batch, in which layers that draw take these random numbers."""
    global _current
    before, _current = _current, draws
    try:
        yield
    finally:
        _current = before


def current_draws() -> Draws | None:
    """What `drawing` was entered with; None outside of it."""
    return _current


def _number(stream: int | str) -> int:
    """A stream's number; words are hashed beyond all numbers of `Stream`."""
    if isinstance(stream, int):
        return stream
    return 2**32 + int.from_bytes(hashlib.sha256(stream.encode()).digest()[:6], "big")


def uniform(seed: int, epoch: int, index: Int[Tensor, "*n"], stream: int) -> Float[Tensor, "*n"]:
    """Multiples of 2^-24 in [0, 1), as float32 on the device of `index`."""
    return _bits(seed, epoch, index, stream).to(torch.float32) * 2.0**-BITS


def integers(below: int, seed: int, epoch: int, index: Int[Tensor, "*n"], stream: int) -> Int[Tensor, "*n"]:
    """Whole numbers in [0, below), as int64; `below` is far under 2^24, so that all are equally likely to 1 in 2^24."""
    return _shift_right(_bits(seed, epoch, index, stream) * below, BITS)


def permutation(n: int, seed: int, epoch: int, stream: int = Stream.ORDER) -> Int[Tensor, " n"]:
    """The numbers 0 to n - 1 in random order, as int64 on the CPU.

    The order is that of n hashes. They are distinct, since the hash is a bijection of the index: there are no ties.
    """
    return torch.argsort(_hash(seed, epoch, torch.arange(n), stream))


def _bits(seed: int, epoch: int, index: Tensor, stream: int) -> Tensor:
    """The upper 24 bits of the hash."""
    return _shift_right(_hash(seed, epoch, index, stream), 64 - BITS)


def _hash(seed: int, epoch: int, index: Tensor, stream: int) -> Tensor:
    key = 0
    for word in (seed, epoch, stream):
        key = _mix_int((key + GOLDEN) ^ (word & WORD))
    return _mix((index.to(torch.int64) + 1) * _signed(GOLDEN) + _signed(key))


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's output function on int64; products and sums wrap around."""
    x = (x ^ _shift_right(x, SHIFTS[0])) * _signed(MULTIPLIERS[0])
    x = (x ^ _shift_right(x, SHIFTS[1])) * _signed(MULTIPLIERS[1])
    return x ^ _shift_right(x, SHIFTS[2])


def _mix_int(x: int) -> int:
    """The same for one number in [0, 2^64)."""
    x &= WORD
    x = (x ^ (x >> SHIFTS[0])) * MULTIPLIERS[0] & WORD
    x = (x ^ (x >> SHIFTS[1])) * MULTIPLIERS[1] & WORD
    return x ^ (x >> SHIFTS[2])


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift; torch's own copies the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(word: int) -> int:
    """The int64 with the bits of `word` in [0, 2^64)."""
    return word - (1 << 64) if word >> 63 else word
