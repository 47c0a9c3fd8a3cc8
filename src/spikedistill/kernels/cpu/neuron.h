// One time step of a chunk of neurons, forward and backward. The definitions are spikedistill.neurons; the codes and
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

template <Charge kCharge>
inline __attribute__((always_inline)) float charged(float v, float x, const Neuron& p) {
  if constexpr (kCharge == Charge::kSum) return v + x;
  if constexpr (kCharge == Charge::kInputProduct) return v + (x - (v - p.rest)) * p.factor;
  if constexpr (kCharge == Charge::kInputQuotient) return v + (x - (v - p.rest)) / p.factor;
  if constexpr (kCharge == Charge::kLeakProduct) return (v - (v - p.rest) * p.factor) + x;
  if constexpr (kCharge == Charge::kLeakQuotient) return (v - (v - p.rest) / p.factor) + x;
}

inline __attribute__((always_inline)) float after_reset(float h, const Neuron& p, bool hard) {
  const bool fires = h >= p.threshold;
  return hard ? (fires ? p.rest : h) : (fires ? h - p.threshold : h);
}

template <Charge kCharge>
inline void integrate(const Neuron& neuron, const Lanes& x, Lanes& v, Lanes& h) {
  const Neuron p = neuron;
  const auto step = [&](bool hard) __attribute__((always_inline)) {
    for_all_lanes([&](int l) {
      const float charge = charged<kCharge>(v[l], x[l], p);
      h[l] = charge;
      v[l] = after_reset(charge, p, hard);
    });
  };
  if (p.hard) {
    step(true);
  } else {
    step(false);
  }
}

// Charge h and next potential v from the potential v and the current x. Forward and backward both call this, so that
// the spikes of the backward pass are those of the forward pass.
inline void advance(const Neuron& p, const Lanes& x, Lanes& v, Lanes& h) {
  switch (p.charge) {
    case Charge::kSum: return integrate<Charge::kSum>(p, x, v, h);
    case Charge::kInputProduct: return integrate<Charge::kInputProduct>(p, x, v, h);
    case Charge::kInputQuotient: return integrate<Charge::kInputQuotient>(p, x, v, h);
    case Charge::kLeakProduct: return integrate<Charge::kLeakProduct>(p, x, v, h);
    case Charge::kLeakQuotient: return integrate<Charge::kLeakQuotient>(p, x, v, h);
    case Charge::kGraded: {
      const float decay = p.factor, threshold = p.threshold, penalty = p.penalty;
      return for_all_lanes([&](int l) {
        const float charge = x[l] + decay * v[l];
        h[l] = charge;
        v[l] = charge > threshold ? charge - penalty * charge : charge;
      });
    }
    case Charge::kRelu: return for_all_lanes([&](int l) { h[l] = x[l]; });
  }
}

// The output y at charge h.
template <class S>
inline void emit(const Neuron& p, const Lanes& h, S* y, int n) {
  const float threshold = p.threshold;
  if (p.charge == Charge::kGraded || p.charge == Charge::kRelu) {
    for_lanes(n, [&](int l) {
      const float above = h[l] - threshold;
      y[l] = narrow<S>(above <= 0.0f ? 0.0f : above);
    });
  } else {
    const S one = narrow<S>(1.0f);
    for_lanes(n, [&](int l) { y[l] = h[l] >= threshold ? one : S(0); });
  }
}

// The surrogate's derivative at h - threshold.
inline void surrogate_gradient(const Neuron& p, const Lanes& h, Lanes& out) {
  const float a = p.a, b = p.b, threshold = p.threshold;
  const auto each = [&](auto f) __attribute__((always_inline)) {
    for_all_lanes([&](int l) {
      const float d = h[l] - threshold;
      out[l] = f(d, __builtin_fabsf(d));
    });
  };
  switch (p.surrogate) {
    case Surrogate::kNone: return;
    case Surrogate::kSigmoid:
      return each([=](float, float abs) {
        const float e = exp_of_negative(-a * abs);
        return a * e / ((1.0f + e) * (1.0f + e));
      });
    case Surrogate::kATan:
      return each([=](float d, float) {
        const float scaled = 1.57079632679489662f * a * d;
        return 0.5f * a / (1.0f + scaled * scaled);
      });
    case Surrogate::kPiecewiseQuadratic:
      return each([=](float, float abs) {
        const float height = a - a * a * abs;
        return height < 0.0f ? 0.0f : height;
      });
    case Surrogate::kSoftSign: {
      const float inverse = 1.0f / a;
      return each([=](float, float abs) { return 1.0f / (2.0f * a * (inverse + abs) * (inverse + abs)); });
    }
    case Surrogate::kSuperSpike:
      return each([=](float, float abs) { return a / ((1.0f + abs) * (1.0f + abs)); });
    case Surrogate::kErf:
      return each([=](float d, float) { return exp_of_negative(-(a * d) * (a * d)) * (a * 0.564189583547756287f); });
    case Surrogate::kTriangle:
      return each([=](float, float abs) {
        const float height = 1.0f - abs / b;
        return a * (height < 0.0f ? 0.0f : height);
      });
  }
}

// One step back: from the gradients of the output (y) and of the next potential (v), the gradient of the current
// (into y) and of the potential before the step (into v). `charge_grad` gets the gradient of h.
inline void retreat(const Neuron& p, const Lanes& h, Lanes& y, Lanes& v, Lanes& charge_grad) {
  const float threshold = p.threshold, through = p.through, gain = p.input_gain, memory = p.memory;
  if (p.charge == Charge::kRelu) {
    return for_all_lanes([&](int l) { y[l] = h[l] <= 0.0f ? 0.0f : y[l]; });
  }
  if (p.charge == Charge::kGraded) {
    const float kept = 1.0f - p.penalty;
    return for_all_lanes([&](int l) {
      const float g = h[l] > threshold ? y[l] + kept * v[l] : v[l];
      y[l] = g;
      v[l] = g * memory;
    });
  }
  Lanes slope;
  surrogate_gradient(p, h, slope);
  if (p.hard) {
    const float rest = p.rest;
    for_all_lanes([&](int l) {
      const float spike_grad = y[l] + through * v[l] * (rest - h[l]);
      const float kept = h[l] >= threshold ? 0.0f : v[l];
      charge_grad[l] = spike_grad * slope[l] + kept;
    });
  } else {
    for_all_lanes([&](int l) { charge_grad[l] = (y[l] - through * v[l] * threshold) * slope[l] + v[l]; });
  }
  for_all_lanes([&](int l) {
    y[l] = charge_grad[l] * gain;
    v[l] = charge_grad[l] * memory;
  });
}

}  // namespace spikedistill
