// One time step of a vector of neurons, forward and backward. The definitions are spikedistill.neurons; the codes and
// constants come from codes.py.
#pragma once

#include "lanes.h"

namespace spikedistill {

// How the membrane is charged. q is the decay per step: "product" multiplies by q, "quotient" divides by tau = 1 / q.
enum class Charge : int {
  kSum,            // IF: h = v + x
  kInputProduct,   // h = v + (x - (v - rest)) * q
  kInputQuotient,  // h = v + (x - (v - rest)) / tau
  kLeakProduct,    // h = v - (v - rest) * q + x
  kLeakQuotient,   // h = v - (v - rest) / tau + x
  kGraded,         // GradedReLU: h = x + decay * v, y = relu(h - threshold), v = h - [y > 0] * penalty * h
  kRelu,           // y = relu(x), no state
};

enum class Surrogate : int { kNone, kSigmoid, kATan, kPiecewiseQuadratic, kSoftSign, kSuperSpike, kErf, kTriangle };

struct Neuron {
  Charge charge;
  Surrogate surrogate;
  bool hard;         // hard reset to `rest`; otherwise the threshold is subtracted
  float through;     // 1 where the reset passes gradient, 0 where it is detached
  float threshold;
  float rest;        // also the potential after a hard reset
  float factor;      // q, tau or GradedReLU's decay, as `charge` reads it
  float penalty;     // GradedReLU's penalty / threshold
  float a, b;        // the surrogate's parameters
  float input_gain;  // dh / dx
  float memory;      // dh / dv
};

SPIKEDISTILL_INLINE Vec after_reset(Vec h, const Neuron& p, bool hard) {
  const IntVec fires = h >= p.threshold;
  return fires ? (hard ? splat(p.rest) : h - p.threshold) : h;
}

// What a kind of neuron does in a step: `advance` gives the charge h and the next potential v from the potential v and
// the current x, `emit` writes the output at charge h. Forward and backward both call `advance`, so that the spikes of
// the backward pass are those of the forward pass.
template <Charge kCharge, bool kHard>
struct Spiking {
  static SPIKEDISTILL_INLINE void advance(const Neuron& p, Vec x, Vec& v, Vec& h) {
    if constexpr (kCharge == Charge::kSum) h = v + x;
    if constexpr (kCharge == Charge::kInputProduct) h = v + (x - (v - p.rest)) * p.factor;
    if constexpr (kCharge == Charge::kInputQuotient) h = v + (x - (v - p.rest)) / p.factor;
    if constexpr (kCharge == Charge::kLeakProduct) h = (v - (v - p.rest) * p.factor) + x;
    if constexpr (kCharge == Charge::kLeakQuotient) h = (v - (v - p.rest) / p.factor) + x;
    v = after_reset(h, p, kHard);
  }
  template <class S>
  static SPIKEDISTILL_INLINE void emit(const Neuron& p, Vec h, S* y, int n) {
    store_spikes(y, h >= p.threshold, n);
  }
};

// GradedReLU, and without state ReLU: the threshold is 0 then.
template <bool kState>
struct Rectified {
  static SPIKEDISTILL_INLINE void advance(const Neuron& p, Vec x, Vec& v, Vec& h) {
    h = x;
    if constexpr (kState) {
      h = x + p.factor * v;
      v = h > p.threshold ? h - p.penalty * h : h;
    }
  }
  template <class S>
  static SPIKEDISTILL_INLINE void emit(const Neuron& p, Vec h, S* y, int n) {
    const Vec above = h - p.threshold;
    store(y, above <= 0.0f ? splat(0.0f) : above, n);
  }
};

// Calls f(step) with the neuron's kind of step.
template <class F>
auto with_step(const Neuron& p, F f) {
  const auto spiking = [&]<Charge kCharge>() {
    return p.hard ? f(Spiking<kCharge, true>{}) : f(Spiking<kCharge, false>{});
  };
  switch (p.charge) {
    case Charge::kSum: return spiking.template operator()<Charge::kSum>();
    case Charge::kInputProduct: return spiking.template operator()<Charge::kInputProduct>();
    case Charge::kInputQuotient: return spiking.template operator()<Charge::kInputQuotient>();
    case Charge::kLeakProduct: return spiking.template operator()<Charge::kLeakProduct>();
    case Charge::kLeakQuotient: return spiking.template operator()<Charge::kLeakQuotient>();
    case Charge::kGraded: return f(Rectified<true>{});
    default: return f(Rectified<false>{});
  }
}

// The surrogate's derivative at a distance d from the threshold.
template <Surrogate kSurrogate>
SPIKEDISTILL_INLINE Vec surrogate_gradient(const Neuron& p, Vec d) {
  const Vec zero = {}, a = splat(p.a), distance = absolute(d);
  if constexpr (kSurrogate == Surrogate::kSigmoid) {
    const Vec e = exp_of_negative(-a * distance), part = reciprocal(1.0f + e);
    return (a * e) * (part * part);
  }
  if constexpr (kSurrogate == Surrogate::kATan) {
    const Vec scaled = 1.57079632679489662f * a * d;
    return 0.5f * a / (1.0f + scaled * scaled);
  }
  if constexpr (kSurrogate == Surrogate::kPiecewiseQuadratic) {
    const Vec height = a - a * a * distance;
    return height < zero ? zero : height;
  }
  if constexpr (kSurrogate == Surrogate::kSoftSign) {
    const Vec sum = 1.0f / p.a + distance;
    return 1.0f / (2.0f * a * sum * sum);
  }
  if constexpr (kSurrogate == Surrogate::kSuperSpike) return a / ((1.0f + distance) * (1.0f + distance));
  if constexpr (kSurrogate == Surrogate::kErf) {
    return exp_of_negative(-(a * d) * (a * d)) * (a * 0.564189583547756287f);
  }
  if constexpr (kSurrogate == Surrogate::kTriangle) {
    const Vec height = 1.0f - distance / p.b;
    return a * (height < zero ? zero : height);
  }
}

// Derivatives of one step at charge h. `retreat` goes back: it turns the gradient of the output (y) into that of the
// current, and the gradient of the next potential (v) into that of the potential before the step; it returns the
// gradient of h. `carry` goes forward, for a current of which every step gets the same addition: `tangent` is the
// derivative of the potential before the step, then of the next one; it returns that of the spike.
template <Surrogate kSurrogate, bool kHard>
struct SpikingSlopes {
  static constexpr bool kSpiking = true;
  static SPIKEDISTILL_INLINE Vec retreat(const Neuron& p, Vec h, Vec& y, Vec& v) {
    const Vec slope = surrogate_gradient<kSurrogate>(p, h - p.threshold);
    Vec charge;
    if constexpr (kHard) {
      const Vec spike = y + p.through * v * (p.rest - h);
      charge = multiply_add(spike, slope, h >= p.threshold ? splat(0.0f) : v);
    } else {
      charge = multiply_add(y - p.through * v * p.threshold, slope, v);
    }
    y = charge * p.input_gain;
    v = charge * p.memory;
    return charge;
  }
  static SPIKEDISTILL_INLINE Vec carry(const Neuron& p, Vec h, Vec& tangent) {
    const Vec charge = multiply_add(splat(p.memory), tangent, splat(p.input_gain));
    const Vec spike = surrogate_gradient<kSurrogate>(p, h - p.threshold) * charge;
    if constexpr (kHard) {
      tangent = (h >= p.threshold ? splat(0.0f) : charge) + p.through * (p.rest - h) * spike;
    } else {
      tangent = charge - p.through * p.threshold * spike;
    }
    return spike;
  }
};

template <bool kState>
struct RectifiedSlopes {
  static constexpr bool kSpiking = false;
  static SPIKEDISTILL_INLINE Vec retreat(const Neuron& p, Vec h, Vec& y, Vec& v) {
    if constexpr (kState) {
      const float kept = 1.0f - p.penalty;
      y = h > p.threshold ? y + kept * v : v;
      v = y * p.memory;
    } else {
      y = h <= 0.0f ? splat(0.0f) : y;
    }
    return y;
  }
};

// Calls f(slopes) with the derivatives of the neuron's kind of step.
template <class F>
auto with_slopes(const Neuron& p, F f) {
  const auto spiking = [&]<Surrogate kSurrogate>() {
    return p.hard ? f(SpikingSlopes<kSurrogate, true>{}) : f(SpikingSlopes<kSurrogate, false>{});
  };
  switch (p.surrogate) {
    case Surrogate::kSigmoid: return spiking.template operator()<Surrogate::kSigmoid>();
    case Surrogate::kATan: return spiking.template operator()<Surrogate::kATan>();
    case Surrogate::kPiecewiseQuadratic: return spiking.template operator()<Surrogate::kPiecewiseQuadratic>();
    case Surrogate::kSoftSign: return spiking.template operator()<Surrogate::kSoftSign>();
    case Surrogate::kSuperSpike: return spiking.template operator()<Surrogate::kSuperSpike>();
    case Surrogate::kErf: return spiking.template operator()<Surrogate::kErf>();
    case Surrogate::kTriangle: return spiking.template operator()<Surrogate::kTriangle>();
    default: return p.charge == Charge::kGraded ? f(RectifiedSlopes<true>{}) : f(RectifiedSlopes<false>{});
  }
}

}  // namespace spikedistill
