# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
"""One time step of a tile of neurons, forward and backward, in float32; the definitions are `spikedistill.neurons`.

P is the `Plan`; f the factor of the charge: 1 / tau where it multiplies, tau where it divides, GradedReLU's decay.
"""

import triton.language as tl  # type: ignore[import-untyped, import-not-found, unused-ignore]

from spikedistill.kernels import codes
from spikedistill.kernels.triton.jit import jit
from spikedistill.neurons import ATan, Erf, PiecewiseQuadratic, Sigmoid, SoftSign, SuperSpike

SUM = tl.constexpr(codes.SUM)
INPUT_PRODUCT = tl.constexpr(codes.INPUT_PRODUCT)
INPUT_QUOTIENT = tl.constexpr(codes.INPUT_QUOTIENT)
LEAK_PRODUCT = tl.constexpr(codes.LEAK_PRODUCT)
LEAK_QUOTIENT = tl.constexpr(codes.LEAK_QUOTIENT)
GRADED = tl.constexpr(codes.GRADED)
RELU = tl.constexpr(codes.RELU)
SIGMOID = tl.constexpr(codes.SURROGATES[Sigmoid])
ATAN = tl.constexpr(codes.SURROGATES[ATan])
PIECEWISE_QUADRATIC = tl.constexpr(codes.SURROGATES[PiecewiseQuadratic])
SOFT_SIGN = tl.constexpr(codes.SURROGATES[SoftSign])
SUPER_SPIKE = tl.constexpr(codes.SURROGATES[SuperSpike])
ERF = tl.constexpr(codes.SURROGATES[Erf])


@jit
def charged(v, x, f, P: tl.constexpr):
    """Potential h before firing, from the potential v after the last step and the current x."""
    if P.charge == SUM:
        h = v + x
    elif P.charge == INPUT_PRODUCT:
        h = v + (x - (v - P.rest)) * f
    elif P.charge == INPUT_QUOTIENT:
        h = v + tl.div_rn(x - (v - P.rest), f)
    elif P.charge == LEAK_PRODUCT:
        h = v - (v - P.rest) * f + x
    elif P.charge == LEAK_QUOTIENT:
        h = v - tl.div_rn(v - P.rest, f) + x
    elif P.charge == GRADED:
        h = x + f * v
    else:
        h = x
    return h


@jit
def after_reset(h, P: tl.constexpr):
    """Potential after firing; s = [h >= threshold]: s * rest + (1 - s) * h (hard) or h - s * threshold (soft)."""
    if P.charge == RELU:
        v = h
    elif P.charge == GRADED:
        v = tl.where(h > P.threshold, h - P.penalty * h, h)
    elif P.hard:
        v = tl.where(h >= P.threshold, P.rest + 0.0 * h, h)  # not a number where h is infinite
    else:
        v = tl.where(h >= P.threshold, h - P.threshold, h)
    return v


@jit
def output(h, P: tl.constexpr):
    """Spikes [h >= threshold]; of GradedReLU, and of ReLU with its threshold 0, the height above the threshold."""
    if P.charge == RELU or P.charge == GRADED:
        y = tl.where(h <= P.threshold, 0.0, h - P.threshold)
    else:
        y = tl.where(h >= P.threshold, 1.0, 0.0)
    return y


@jit
def slope(x, P: tl.constexpr):
    """The surrogate's derivative at x = h - threshold."""
    if P.surrogate == SIGMOID:
        e = tl.exp(-P.a * tl.abs(x))
        g = P.a * e / ((1.0 + e) * (1.0 + e))
    elif P.surrogate == ATAN:
        scaled = 1.5707963267948966 * P.a * x
        g = 0.5 * P.a / (1.0 + scaled * scaled)
    elif P.surrogate == PIECEWISE_QUADRATIC:
        height = P.a - P.a * P.a * tl.abs(x)
        g = tl.where(height < 0.0, 0.0, height)
    elif P.surrogate == SOFT_SIGN:
        distance = 1.0 / P.a + tl.abs(x)
        g = 1.0 / (2.0 * P.a * distance * distance)
    elif P.surrogate == SUPER_SPIKE:
        g = P.a / ((1.0 + tl.abs(x)) * (1.0 + tl.abs(x)))
    elif P.surrogate == ERF:
        g = tl.exp(-(P.a * x) * (P.a * x)) * (P.a * 0.5641895835477563)
    else:  # triangle of height a and width b
        height = 1.0 - tl.abs(x) / P.b
        g = P.a * tl.where(height < 0.0, 0.0, height)
    return g


@jit
def charge_gradient(h, y_grad, v_grad, P: tl.constexpr):
    """Gradient of h, from those of the output and of the potential after reset.

    With g the surrogate's derivative: dy/dh = g; dv/dh = 1 - s + (rest - h) * g (hard) or 1 - threshold * g (soft),
    where the term with g is absent if the reset is detached.
    """
    if P.charge == RELU:
        h_grad = tl.where(h <= 0.0, 0.0, y_grad)
    elif P.charge == GRADED:
        h_grad = tl.where(h > P.threshold, y_grad + (v_grad - P.penalty * v_grad), v_grad)
    else:
        s_grad = y_grad
        if not P.detach:
            if P.hard:
                s_grad += v_grad * (P.rest - h)
            else:
                s_grad -= v_grad * P.threshold
        kept = v_grad
        if P.hard:
            kept = tl.where(h >= P.threshold, 0.0, v_grad)
        h_grad = s_grad * slope(h - P.threshold, P) + kept
    return h_grad


@jit
def input_gradients(h_grad, f, P: tl.constexpr):
    """Gradients of the current and of the potential before the step."""
    x_grad = h_grad
    v_grad = h_grad
    if P.charge == INPUT_PRODUCT:
        x_grad = h_grad * f
        v_grad = h_grad - x_grad
    elif P.charge == INPUT_QUOTIENT:
        x_grad = tl.div_rn(h_grad, f)
        v_grad = h_grad - x_grad
    elif P.charge == LEAK_PRODUCT:
        v_grad = h_grad - h_grad * f
    elif P.charge == LEAK_QUOTIENT:
        v_grad = h_grad - tl.div_rn(h_grad, f)
    elif P.charge == GRADED:
        v_grad = h_grad * f
    return x_grad, v_grad


@jit
def factor_slope(h, v, f, P: tl.constexpr):
    """dh/df of the two charges that multiply by f; v is the potential before the step."""
    if P.charge == INPUT_PRODUCT:
        d = (h - v) / f
    else:
        d = P.rest - v
    return d
