"""How passes are timed: by a clock that is given, and by the machine's only where order is what counts."""

import time

import numpy as np
import pytest
import torch

from spikedistill.evaluate.latency import FEWEST, MOST, WARM_UP, Times, time_passes

CPU = torch.device("cpu")


class Clock:
    """Passes take what they are told; reading the clock takes nothing."""

    def __init__(self, durations):
        self.durations, self.now, self.asked = durations, 0.0, 0

    def __call__(self):
        return self.now

    def ask(self):
        self.now += self.durations[min(self.asked, len(self.durations) - 1)]
        self.asked += 1


def test_passes_after_the_warm_up_are_measured():
    durations = [100.0] * WARM_UP + [0.25, 0.5, 0.25, 1.0, 0.25, 0.25, 9.0]
    clock = Clock(durations)
    times = time_passes(clock.ask, CPU, 2.5, clock)
    assert times.each == (250.0, 500.0, 250.0, 1000.0, 250.0, 250.0)
    assert clock.asked == WARM_UP + 6


@pytest.mark.parametrize(("duration", "passes"), [(60.0, FEWEST), (1e-6, MOST)])
def test_how_many_there_are_at_least_and_at_most(duration, passes):
    clock = Clock([duration])
    assert len(time_passes(clock.ask, CPU, 1.0, clock).each) == passes


def test_quantiles_are_numpys():
    values = tuple(np.random.default_rng(0).exponential(size=31))
    times = Times(values)
    assert times.median == pytest.approx(np.median(values))
    assert times.quantile(0.1) == pytest.approx(np.percentile(values, 10))
    assert times.quantile(0.9) == pytest.approx(np.percentile(values, 90))


def test_a_slow_pass_is_slower():
    slow = time_passes(lambda: time.sleep(0.05), CPU, 0.0)
    assert slow.median >= 50
    assert time_passes(lambda: None, CPU, 0.0).median < slow.median


@pytest.mark.gpu
def test_a_gpu_is_waited_for():
    place = torch.device("cuda")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    small, large = (torch.randn(n, n, device=place) for n in (8, 8192))
    times = [time_passes(lambda x=x: x @ x, place, 0.2) for x in (small, large)]
    assert times[1].median > 10 * times[0].median, "a product of 8192 takes far longer than to ask for it"
