"""Events that are lost or moved: none is made, the law of what stays, and where the moved ones are."""

import numpy as np
import pytest
import torch

from spikedistill.evaluate.event_noise import dropped, jittered_in_space, jittered_in_time
from spikedistill.randomness import Draws

SHAPE = (6, 5, 2, 7, 8)


@pytest.fixture
def frames():
    return torch.from_numpy(np.random.default_rng(0).poisson(0.8, SHAPE).astype(np.uint8))


def draws(number):
    return Draws(0, 0, torch.arange(number) + 10)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_dropped_events(share):
    """Each count's survivors are binomial; those that are dropped at a smaller share are at a greater."""
    frames = torch.full((40, 4, 2, 8, 8), 20, dtype=torch.uint8)
    left = dropped(frames, share, draws(40)).double()
    assert left.mean() == pytest.approx(20 * (1 - share), abs=5 * (20 * share * (1 - share) / left.numel()) ** 0.5)
    assert left.var() == pytest.approx(20 * share * (1 - share), rel=0.06)
    assert (dropped(frames, share + 0.1, draws(40)) <= left).all()
    assert torch.equal(dropped(frames, 0.0, draws(40)), frames)
    assert not dropped(frames, 1.0, draws(40)).any()


@pytest.mark.parametrize("jittered", [jittered_in_space, jittered_in_time])
def test_no_event_is_lost_or_made(frames, jittered):
    for share in (0.2, 1.0):
        moved = jittered(frames, share, draws(6))
        kept = (0, 1, 2) if jittered is jittered_in_space else (0, 2, 3, 4)
        others = tuple(axis for axis in range(5) if axis not in kept)
        assert torch.equal(moved.long().sum(others), frames.long().sum(others)), (
            "of each sample, channel, frame or place"
        )
        assert not torch.equal(moved, frames)
    assert torch.equal(jittered(frames, 0.0, draws(6)), frames)


def test_where_an_event_goes():
    """One of eight neighbours, equally often, each by itself; at a corner five of eight ways lead out, and it stays."""
    frames = torch.zeros(1, 1, 2, 9, 9, dtype=torch.uint8).repeat(400, 1, 1, 1, 1)
    frames[:, 0, 1, 4, 4] = 20
    spread = jittered_in_space(frames, 1.0, draws(400)).long().sum(0)[0]
    assert not spread[0].any()
    around = spread[1, 3:6, 3:6]
    assert int(around.sum()) == 8000
    assert around[1, 1] == 0
    for count in around.flatten()[[0, 1, 2, 3, 5, 6, 7, 8]].tolist():
        assert count == pytest.approx(1000, abs=5 * 30)
    half = jittered_in_space(frames, 0.5, draws(400)).long().sum(0)[0, 1, 4, 4]
    assert int(half) == pytest.approx(4000, abs=5 * 45)
    corner = torch.zeros_like(frames)
    corner[:, 0, 0, 0, 0] = 20
    stays = jittered_in_space(corner, 1.0, draws(400)).long().sum(0)[0, 0, 0, 0]
    assert int(stays) == pytest.approx(8000 * 5 / 8, abs=5 * 44)


def test_when_an_event_comes():
    frames = torch.zeros(300, 5, 2, 3, 3, dtype=torch.uint8)
    frames[:, 2, 0, 1, 1] = 20
    by_frame = jittered_in_time(frames, 1.0, draws(300)).long().sum((0, 2, 3, 4)).tolist()
    assert by_frame[0] == by_frame[2] == by_frame[4] == 0
    assert by_frame[1] == pytest.approx(3000, abs=5 * 39)
    first = torch.zeros_like(frames)
    first[:, 0, 0, 1, 1] = 20
    by_frame = jittered_in_time(first, 1.0, draws(300)).long().sum((0, 2, 3, 4)).tolist()
    assert by_frame[0] == pytest.approx(3000, abs=5 * 39)
    assert sum(by_frame) == 6000


def test_a_pixel_counts_to_255():
    frames = torch.full((1, 2, 2, 4, 4), 255, dtype=torch.uint8)
    moved = jittered_in_space(frames, 1.0, draws(1))
    assert moved.max() == 255
    assert moved.long().sum() < frames.long().sum(), "said: what is beyond 255 is lost"
