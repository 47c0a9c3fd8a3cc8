import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikedistill.randomness import Draws, Stream, _mix, _mix_int, _signed, integers, permutation, uniform

WORD = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
N = 1 << 16


def splitmix64(x: int) -> int:
    """The published output function, written down a second time."""
    x &= WORD
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return x ^ (x >> 31)


def reference(seed: int, epoch: int, index: int, stream: int) -> float:
    key = 0
    for word in (seed, epoch, stream):
        key = splitmix64((key + GOLDEN) ^ word)
    return (splitmix64(key + (index + 1) * GOLDEN) >> 40) / 2**24


def test_the_mixing_function_gives_the_published_sequence():
    # First outputs of SplitMix64 started at 1234567, from the reference implementation.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    states = [(1234567 + (k + 1) * GOLDEN) & WORD for k in range(4)]
    assert [_mix_int(state) for state in states] == published
    assert [int(x) & WORD for x in _mix(torch.tensor([_signed(state) for state in states]))] == published


@given(
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**31),
    st.lists(st.integers(0, 2**62), min_size=1),
    st.sampled_from(Stream),
)
@settings(deadline=None)
def test_agrees_with_arbitrary_precision_arithmetic(seed, epoch, index, stream):
    expected = [reference(seed, epoch, i, stream) for i in index]
    assert uniform(seed, epoch, torch.tensor(index), stream).tolist() == expected


def test_values_never_change():
    assert (uniform(0, 0, torch.arange(4), Stream.FLIP) * 2**24).tolist() == [1376311, 3506658, 5127429, 4988899]
    assert permutation(10, 0, 0).tolist() == [7, 2, 3, 5, 1, 9, 0, 8, 4, 6]
    assert [stream.value for stream in Stream] == [0, 1, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24, 30]


def test_range_and_type():
    u = uniform(3, 5, torch.arange(N), Stream.CROP_X)
    assert u.dtype == torch.float32
    assert u.min() >= 0
    assert u.max() < 1
    assert torch.equal(u * 2**24, (u * 2**24).round())


@pytest.mark.parametrize("seed", [0, 1, 12345])
@pytest.mark.parametrize("stream", [Stream.FLIP, Stream.POLICY])
def test_uniform_by_chi_square(seed, stream):
    counts = torch.bincount(integers(256, seed, 7, torch.arange(N), stream), minlength=256)
    chi2 = float(((counts - N / 256) ** 2 / (N / 256)).sum())
    assert abs(chi2 - 255) < 5 * math.sqrt(2 * 255)


@pytest.mark.parametrize("low_bit", [0, 12, 23])
def test_every_bit_is_fair(low_bit):
    bits = (uniform(0, 0, torch.arange(N), Stream.ORDER) * 2**24).long() >> low_bit & 1
    assert abs(float(bits.double().mean()) - 0.5) < 5 * 0.5 / math.sqrt(N)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda i: uniform(1, 0, i, Stream.CROP_Y), id="next seed"),
        pytest.param(lambda i: uniform(0, 1, i, Stream.CROP_Y), id="next epoch"),
        pytest.param(lambda i: uniform(0, 0, i + 1, Stream.CROP_Y), id="next index"),
        pytest.param(lambda i: uniform(0, 0, i, Stream.CROP_X), id="next stream"),
        pytest.param(lambda i: uniform(0, 0, i + (1 << 32), Stream.CROP_Y), id="far index"),
    ],
)
def test_neighbours_are_independent(other):
    index = torch.arange(N)
    a, b = uniform(0, 0, index, Stream.CROP_Y), other(index)
    assert abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1])) < 5 / math.sqrt(N)
    joint = torch.bincount((a * 16).long() * 16 + (b * 16).long(), minlength=256)
    chi2 = float(((joint - N / 256) ** 2 / (N / 256)).sum())
    assert abs(chi2 - 255) < 5 * math.sqrt(2 * 255)


def test_seed_epoch_and_stream_are_not_interchangeable():
    index = torch.arange(8)
    drawn = {
        tuple(uniform(seed, epoch, index, stream).tolist())
        for seed, epoch, stream in [(1, 2, 10), (2, 1, 10), (10, 1, 2), (1, 10, 2), (2, 10, 1), (10, 2, 1)]
    }
    assert len(drawn) == 6


def test_same_alone_in_any_batch_and_any_shape():
    index = permutation(1000, 0, 0)
    together = uniform(4, 2, index, Stream.FLIP)
    assert together.tolist() == [float(uniform(4, 2, i, Stream.FLIP)) for i in index]
    assert torch.equal(uniform(4, 2, index.view(10, 100), Stream.FLIP).flatten(), together)


@given(st.integers(1, 1000))
@settings(deadline=None, max_examples=20)
def test_integers_are_the_scaled_uniform_numbers(below):
    index = torch.arange(2000)
    drawn = integers(below, 0, 0, index, Stream.CROP_Y)
    assert torch.equal(drawn, (uniform(0, 0, index, Stream.CROP_Y).double() * below).floor().long())
    assert 0 <= int(drawn.min()) <= int(drawn.max()) < below


@given(st.integers(0, 300), st.integers(0, 2**31), st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_permutation_is_one(n, seed, epoch):
    assert permutation(n, seed, epoch).sort().values.tolist() == list(range(n))


def test_permutations_are_equally_likely():
    counts = {}
    for epoch in range(2400):
        order = tuple(permutation(4, 9, epoch).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    chi2 = sum((count - 100) ** 2 / 100 for count in counts.values())
    assert abs(chi2 - 23) < 5 * math.sqrt(2 * 23)


def test_draws_are_the_functions_for_one_number_a_sample():
    index = torch.tensor([5, 0, 5])
    draws = Draws(3, 7, index)
    assert torch.equal(draws.uniform(Stream.FLIP), uniform(3, 7, index, Stream.FLIP))
    assert torch.equal(draws.integers(9, Stream.CROP_X), integers(9, 3, 7, index, Stream.CROP_X))


def test_draws_of_a_shape_belong_to_the_sample_and_differ_within_it():
    whole, part = Draws(0, 1, torch.arange(10)), Draws(0, 1, torch.tensor([7, 2]))
    mask = whole.uniform("mask", 4, 3)
    assert mask.shape == (10, 4, 3)
    assert mask.unique().numel() == mask.numel()
    assert torch.equal(part.uniform("mask", 4, 3), mask[[7, 2]])
    assert not torch.equal(whole.uniform("noise", 4, 3), mask)
    assert abs(float(Draws(0, 0, torch.arange(1000)).uniform("mask", 50).mean()) - 0.5) < 0.01


def test_some_of_the_numbers_are_those_of_all():
    draws = Draws(4, 2, torch.tensor([7, 0, 10**6]))
    row, place = torch.tensor([2, 0, 0, 1]), torch.tensor([499, 3, 0, 77])
    assert torch.equal(draws.uniform_at("some", row, place, 500), draws.uniform("some", 500)[row, place])
