"""Geometry is NumPy's and Pillow's, frame by frame; what is dropped is where and as often as it is stated."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from spikedistill.data import NDA, Cutout, EventDrop, Roll, Rotate, Shear
from spikedistill.data.event_augment import thinned
from spikedistill.errors import InputError
from spikedistill.randomness import Draws

SHAPE = (3, 2, 9, 12)
"""T, C, H, W."""
ZERO = (0.0, 0.0)


def frames(number=40, shape=SHAPE, most=5):
    draw = np.random.default_rng(0)
    return torch.from_numpy(draw.integers(0, most, (number, *shape), dtype=np.uint8))


def draws(number=40, seed=0):
    return Draws(seed, 0, torch.arange(number) * 17)


def by_pillow(frame, matrix):
    picture = Image.fromarray(frame.numpy())
    return torch.from_numpy(np.array(picture.transform(picture.size, Image.Transform.AFFINE, matrix, fillcolor=0)))


def matches(shown, sample, candidates):
    """The first of some frames-wise functions that turns the whole sample into what is shown."""
    for value, function in candidates:
        expected = torch.stack([torch.stack([function(channel) for channel in frame]) for frame in sample])
        if torch.equal(shown, expected):
            return value
    return None


def test_roll_is_numpys_by_every_distance():
    samples = frames(600)
    shown = Roll(2)(samples, draws(600))
    moves = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]
    found = [
        matches(one, sample, [(m, lambda f, m=m: torch.from_numpy(np.roll(f.numpy(), m, (0, 1)))) for m in moves])
        for one, sample in zip(shown, samples, strict=True)
    ]
    counts = [found.count(move) for move in moves]
    assert sum(counts) == 600
    assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize("kind", [Rotate, Shear])
def test_angles_are_uniform_and_all_frames_move_as_pillow_moves_them(kind):
    samples, transform = frames(30, (2, 2, 21, 16)), kind(40.0)
    shown = transform(samples, draws(30))
    drawn = draws(30).uniform(kind.name).double()
    for k, number in enumerate(drawn.tolist()):
        angle = np.deg2rad(40 * (2 * number - 1))
        if kind is Rotate:
            expected = [
                [torch.from_numpy(np.array(Image.fromarray(c.numpy()).rotate(np.rad2deg(angle)))) for c in frame]
                for frame in samples[k]
            ]
        else:
            slope = np.tan(angle)
            expected = [[by_pillow(c, (1, slope, -slope * 10.5, 0, 1, 0)) for c in frame] for frame in samples[k]]
        assert torch.equal(shown[k], torch.stack([torch.stack(frame) for frame in expected]))


def test_nda_takes_each_of_its_parts_equally_often():
    samples = frames(400)
    parts = [Roll(5), Rotate(30.0), Shear(30.0), Cutout(4, ZERO)]
    each = [part(samples, draws(400)) for part in parts]
    shown = NDA(cutout=4)(samples, draws(400))
    same = torch.stack([(one == shown).flatten(1).all(1) for one in each])
    assert bool(same.any(0).all())
    alone = same[:, same.sum(0) == 1]  # parts that happen to do the same (nothing) are told apart by nobody
    assert stats.chisquare(alone.sum(1)).pvalue > 0.001
    assert len(same[0]) - alone.shape[1] < 20
    both = NDA(count=2, roll=5, rotate=0.0, shear=0.0, cutout=4)(samples, draws(400))
    assert torch.equal(both, Cutout(4, ZERO)(each[0], draws(400)))


def test_events_are_thinned_by_their_shares():
    counts = torch.full((200, 2, 1, 5, 6), 200, dtype=torch.uint8)
    counts[:, :, :, 0] = 0
    share = torch.zeros(200, 2, 1, 5, 6)
    share[:, 0, :, 1], share[:, 0, :, 2], share[:, 1] = 1.0, 0.3, 0.7
    left = thinned(counts, share, draws(200)).double()
    assert not left[:, :, :, 0].any()
    assert not left[:, 0, 0, 1].any()
    assert (left[:, 0, 0, 3:] == 200).all()
    for here, stays in ((left[:, 0, 0, 2], 0.7), (left[:, 1, 0, 1:], 0.3)):
        expected = stats.binom(200, stays)
        assert here.mean() == pytest.approx(expected.mean(), rel=0.01)
        assert here.var() == pytest.approx(expected.var(), rel=0.1)
    alone = thinned(counts[7:8], share[7:8], Draws(0, 0, torch.tensor([7 * 17])))
    assert torch.equal(alone[0].double(), left[7])
    assert len(torch.unique(left[:, 1, 0, 4, 5])) > 10


def dropped(transform, samples, number):
    shown = transform(samples, draws(number))
    return shown, (shown == samples).flatten(1).all(1)


def test_a_quarter_stays_where_all_three_are_on():
    samples = frames(4000, (8, 2, 10, 10), 4)
    _, same = dropped(EventDrop(), samples, 4000)
    assert same.double().mean() == pytest.approx(0.25, abs=0.03)
    _, same = dropped(EventDrop(time=0.0, area=0.0), samples, 4000)
    assert same.double().mean() == pytest.approx(0.5, abs=0.03)


def test_a_time_is_a_run_of_frames():
    samples = torch.full((2000, 20, 2, 4, 4), 30, dtype=torch.uint8)
    shown, same = dropped(EventDrop(area=0.0, random=0.0), samples, 2000)
    share = 1 - shown[~same].double().flatten(2).mean(2) / 30
    inner = share > 0.5
    changes = (inner[:, 1:] != inner[:, :-1]).sum(1)
    assert bool((changes <= 2).all())
    lengths, starts = share.sum(1) / 20, inner.double().argmax(1)[inner.any(1)]
    assert lengths.max() <= 0.92
    whole = share[:, -1] == 0  # the time ends before the recording does
    assert set((lengths[whole] * 10).round().int().tolist()) == set(range(1, 10))
    assert torch.allclose(lengths[whole] * 10, (lengths[whole] * 10).round(), atol=0.25)
    assert stats.kstest((starts + 0.5).numpy() / 20, "uniform").statistic < 0.08


def test_an_area_is_a_rectangle_over_all_frames():
    samples = frames(1000, (3, 2, 40, 20)) + 1
    shown, same = dropped(EventDrop(time=0.0, random=0.0), samples, 1000)
    heights = []
    for sample, before in zip(shown[~same], samples[~same], strict=True):
        hole = (sample == 0).flatten(0, 1)
        assert bool((hole == hole[0]).all())
        rows, columns = hole[0].any(1).nonzero().flatten(), hole[0].any(0).nonzero().flatten()
        assert int(hole[0].sum()) == len(rows) * len(columns)
        assert torch.equal(sample, before * ~hole[0])
        heights.append(len(rows))
    assert max(heights) == 11  # a quarter, and both ends
    assert min(heights) <= 3


def test_a_sample_without_events_left_stays():
    samples = torch.zeros(300, 1, 2, 6, 6, dtype=torch.uint8)
    samples[:, 0, 1, 3, 3] = 1
    shown = EventDrop(time=0.0, area=0.0)(samples, draws(300))
    assert torch.equal(shown, samples)


def test_what_cannot_be_done_is_refused():
    for make, words in (
        (lambda: EventDrop().fitted((3, 32, 32), (0.5,) * 3), "EventDrop is for frames of events"),
        (lambda: EventDrop(time=1.5), "time must be between 0 and 1"),
        (lambda: Roll(0), "most must be 1 or more"),
        (lambda: Rotate(181.0), "most must be at most 180"),
        (lambda: Shear(0.0), "most must be a finite number above 0"),
        (lambda: NDA(count=5), "count is how many of its 4 parts NDA takes for a sample, not 5"),
        (lambda: NDA(roll=0, rotate=0.0, shear=0.0, cutout=0), "of its 0 parts"),
        (lambda: NDA(cutout=40).fitted((10, 2, 16, 16), ZERO), "length must be from 1 to 32"),
    ):
        with pytest.raises(InputError, match=words):
            make()
