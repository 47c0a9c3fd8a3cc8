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
  float start;       // the potential before the first step
  float factor;      // q, tau or GradedReLU's decay, as `charge` reads it
  float penalty;     // GradedReLU's penalty / threshold
  float a, b;        // the surrogate's parameters
  float input_gain;  // dh / dx
  float memory;      // dh / dv
};

// After a hard reset rest + 0 * h, which is rest, but not a number where h is infinite: as the definition has it.
SPIKEDISTILL_INLINE Vec after_reset(Vec h, const Neuron& p, bool hard) {
  const Vec reset = hard ? multiply_add(h, splat(0.0f), splat(p.rest)) : h - p.threshold;
  return select(at_least(h, splat(p.threshold)), reset, h);
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
    store_spikes(y, at_least(h, splat(p.threshold)), n);
  }
};

// GradedReLU, and without state ReLU: the threshold is 0 then.
template <bool kState>
struct Rectified {
  static SPIKEDISTILL_INLINE void advance(const Neuron& p, Vec x, Vec& v, Vec& h) {
    h = x;
    if constexpr (kState) {
      h = x + p.factor * v;
      v = select(above(h, splat(p.threshold)), h - p.penalty * h, h);
    }
  }
  template <class S>
  static SPIKEDISTILL_INLINE void emit(const Neuron& p, Vec h, S* y, int n) {
    const Vec over = h - p.threshold;
    store(y, select(at_least(splat(0.0f), over), splat(0.0f), over), n);
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

constexpr float kLog2E = 1.44269504088896341f;

// The surrogate's derivative at a distance d from the threshold; to 1e-6 relative if `kFine`, else to 4e-4.
template <Surrogate kSurrogate, bool kFine>
SPIKEDISTILL_INLINE Vec surrogate_gradient(const Neuron& p, Vec d) {
  const Vec zero = {}, a = splat(p.a), distance = absolute(d);
  if constexpr (kSurrogate == Surrogate::kSigmoid) {
    const Vec e = exp2_of_negative<kFine>(-kLog2E * a * distance), part = reciprocal<kFine>(1.0f + e);
    return (a * e) * (part * part);
  }
  if constexpr (kSurrogate == Surrogate::kATan) {
    const Vec scaled = 1.57079632679489662f * a * d;
    return 0.5f * a / (1.0f + scaled * scaled);
  }
  if constexpr (kSurrogate == Surrogate::kPiecewiseQuadratic) {
    const Vec height = a - a * a * distance;
    return select(above(zero, height), zero, height);
  }
  if constexpr (kSurrogate == Surrogate::kSoftSign) {
    const Vec sum = 1.0f / p.a + distance;
    return 1.0f / (2.0f * a * sum * sum);
  }
  if constexpr (kSurrogate == Surrogate::kSuperSpike) return a / ((1.0f + distance) * (1.0f + distance));
  if constexpr (kSurrogate == Surrogate::kErf) {
    return exp2_of_negative<kFine>(-kLog2E * (a * d) * (a * d)) * (a * 0.564189583547756287f);
  }
  if constexpr (kSurrogate == Surrogate::kTriangle) {
    const Vec height = 1.0f - distance / p.b;
    return a * select(above(zero, height), zero, height);
  }
}

// Derivatives of one step at charge h. `retreat` goes back: it turns the gradient of the output (y) into that of the
// current, and the gradient of the next potential (v) into that of the potential before the step; it returns the
// gradient of h. `carry` goes forward, for a current of which every step gets the same addition: `tangent` is the
// derivative of the potential before the step, then of the next one; it returns that of the spike.
//
// `kIsPlain` says that the reset passes no gradient and that both the current and the potential enter the charge as they
// are (IF).
template <Surrogate kSurrogate, bool kIsHard, bool kIsPlain, bool kFine>
struct SpikingSlopes {
  static constexpr bool kSpiking = true, kPlain = kIsPlain, kHard = kIsHard;
  static SPIKEDISTILL_INLINE Vec retreat(const Neuron& p, Vec h, Vec& y, Vec& v) {
    const Vec slope = surrogate_gradient<kSurrogate, kFine>(p, h - p.threshold);
    Vec spike = y;
    if constexpr (!kPlain) spike += p.through * v * (kHard ? p.rest - h : splat(-p.threshold));
    const Vec charge = multiply_add(spike, slope, kHard ? select(fires(p, h), splat(0.0f), v) : v);
    y = kPlain ? charge : charge * p.input_gain;
    v = kPlain ? charge : charge * p.memory;
    return charge;
  }
  static SPIKEDISTILL_INLINE Vec carry(const Neuron& p, Vec h, Vec& tangent) {
    const Vec charge = multiply_add(splat(p.memory), tangent, splat(p.input_gain));
    const Vec spike = surrogate_gradient<kSurrogate, kFine>(p, h - p.threshold) * charge;
    tangent = kHard ? select(fires(p, h), splat(0.0f), charge) : charge;
    if constexpr (!kPlain) tangent += p.through * (kHard ? p.rest - h : splat(-p.threshold)) * spike;
    return spike;
  }
  static SPIKEDISTILL_INLINE Mask fires(const Neuron& p, Vec h) { return at_least(h, splat(p.threshold)); }
};

template <bool kState>
struct RectifiedSlopes {
  static constexpr bool kSpiking = false, kPlain = false;
  static SPIKEDISTILL_INLINE Vec retreat(const Neuron& p, Vec h, Vec& y, Vec& v) {
    if constexpr (kState) {
      const float kept = 1.0f - p.penalty;
      y = select(above(h, splat(p.threshold)), y + kept * v, v);
      v = y * p.memory;
    } else {
      y = select(at_least(splat(0.0f), h), splat(0.0f), y);
    }
    return y;
  }
};

// Calls f(slopes) with the derivatives of the neuron's kind of step, as exactly as type S in memory asks for.
template <class S, class F>
auto with_slopes(const Neuron& p, F f) {
  constexpr bool kFine = std::is_same_v<S, float>;
  const bool plain = p.charge == Charge::kSum && p.through == 0.0f;
  const auto spiking = [&]<Surrogate kSurrogate>() {
    if (plain) {
      return p.hard ? f(SpikingSlopes<kSurrogate, true, true, kFine>{})
                    : f(SpikingSlopes<kSurrogate, false, true, kFine>{});
    }
    return p.hard ? f(SpikingSlopes<kSurrogate, true, false, kFine>{})
                  : f(SpikingSlopes<kSurrogate, false, false, kFine>{});
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
