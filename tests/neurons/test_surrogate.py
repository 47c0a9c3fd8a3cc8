"""Surrogate gradients against the derivatives of the functions that they are named after, in float64."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spikedistill.neurons import (
    ATan,
    Erf,
    PiecewiseQuadratic,
    Sigmoid,
    SoftSign,
    SuperSpike,
    Surrogate,
    Triangle,
    fire,
)

Array = NDArray[np.float64]
erf = np.vectorize(math.erf)


def piecewise_quadratic(x: Array, alpha: float) -> Array:
    inside = np.clip(x, -1 / alpha, 1 / alpha)
    return -(alpha**2) / 2 * np.abs(inside) * inside + alpha * inside + 0.5


def triangle_area(x: Array, height: float, width: float) -> Array:
    inside = np.clip(x, -width, width)
    return height * (inside - np.abs(inside) * inside / (2 * width))


# The smooth step, its peak slope as the class states it, and the height of the step.
ALPHAS = (0.5, 1.0, 2.0, 4.0, 5.3)
CASES = [
    *((Sigmoid(a), lambda x, a=a: 1 / (1 + np.exp(-a * x)), a / 4, 1.0) for a in ALPHAS),
    *((ATan(a), lambda x, a=a: np.arctan(math.pi / 2 * a * x) / math.pi, a / 2, 1.0) for a in ALPHAS),
    *((PiecewiseQuadratic(a), lambda x, a=a: piecewise_quadratic(x, a), a, 1.0) for a in ALPHAS),
    *((SoftSign(a), lambda x, a=a: a * x / (1 + np.abs(a * x)) / 2, a / 2, 1.0) for a in ALPHAS),
    *((SuperSpike(a), lambda x, a=a: a * x / (1 + np.abs(x)), a, 2 * a) for a in ALPHAS),
    *((Erf(a), lambda x, a=a: erf(a * x) / 2, a / math.sqrt(math.pi), 1.0) for a in ALPHAS),
    *(
        (Triangle(h, w), lambda x, h=h, w=w: triangle_area(x, h, w), h, h * w)
        for h, w in [(0.3, 1.0), (1.0, 1.0), (2.0, 0.5), (0.7, 1.9)]
    ),
]
every = pytest.mark.parametrize(("surrogate", "step", "peak", "area"), CASES, ids=[repr(case[0]) for case in CASES])


@every
def test_is_the_slope_of_its_step(surrogate, step, peak, area):
    x, dx = np.linspace(-3.0, 3.0, 401) + 1e-4 / math.pi, 1e-5  # no point within dx of a kink
    slope = (step(x + dx) - step(x - dx)) / (2 * dx)
    np.testing.assert_allclose(surrogate.gradient(torch.from_numpy(x)).numpy(), slope, rtol=1e-6, atol=1e-7)


@every
def test_peak_and_symmetry(surrogate, step, peak, area):
    assert surrogate.gradient(torch.zeros((), dtype=torch.float64)).item() == pytest.approx(peak, rel=1e-15)
    x = torch.linspace(0.0, 4.0, 501, dtype=torch.float64)
    right, left = surrogate.gradient(x), surrogate.gradient(-x)
    torch.testing.assert_close(right, left, rtol=0.0, atol=1e-14 * peak)
    assert (right >= 0).all()
    assert (right.diff() <= 0).all()


@every
def test_area(surrogate, step, peak, area):
    # The midpoint rule for x = tan(u), because the tails of some fall like 1 / x^2.
    n = 40_000
    u = (torch.arange(n, dtype=torch.float64) + 0.5) * (math.pi / n) - math.pi / 2
    integral = (surrogate.gradient(u.tan()) / u.cos().square()).sum().item() * math.pi / n
    assert integral == pytest.approx(area, rel=1e-6)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_triangle_of_unit_area_is_piecewise_quadratic(alpha):
    x = torch.linspace(-3.0, 3.0, 401, dtype=torch.float64)
    torch.testing.assert_close(
        Triangle(alpha, 1 / alpha).gradient(x), PiecewiseQuadratic(alpha).gradient(x), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_fire_is_the_step_forward_and_the_surrogate_backward(dtype):
    x = torch.tensor([-1.0, -1e-30, -0.0, 0.0, 1e-30, 1.0], dtype=dtype, requires_grad=True)
    spikes = fire(x, ATan())
    assert spikes.dtype == dtype
    assert spikes.tolist() == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    weights = torch.arange(1.0, 7.0, dtype=dtype)
    spikes.backward(weights)
    assert torch.equal(x.grad, weights * ATan().gradient(x.detach()))


def test_second_derivative_takes_the_surrogate_for_a_constant():
    x = torch.tensor([0.3, 1.1], requires_grad=True)
    (first,) = torch.autograd.grad(fire(x.square() - 1, ATan()).sum(), x, create_graph=True)
    first.sum().backward()
    torch.testing.assert_close(x.grad, 2 * ATan().gradient(x.detach().square() - 1))


def test_without_gradients_only_the_step_is_computed():
    class NoGradient(Surrogate):
        def gradient(self, x: torch.Tensor) -> torch.Tensor:
            raise AssertionError

    x = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    assert fire(x.detach(), NoGradient()).tolist() == [0.0, 1.0, 1.0]
    with torch.no_grad():
        assert fire(x, NoGradient()).tolist() == [0.0, 1.0, 1.0]


def test_gradient_is_zero_outside_of_a_finite_support():
    x = torch.tensor([-5.0, -1.0, 1.0, 5.0])
    assert not Triangle(height=0.3, width=1.0).gradient(x).any()
    assert not PiecewiseQuadratic(alpha=1.0).gradient(x).any()


def test_the_base_has_no_gradient():
    with pytest.raises(NotImplementedError):
        Surrogate().gradient(torch.zeros(1))
