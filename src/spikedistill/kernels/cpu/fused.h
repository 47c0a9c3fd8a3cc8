// Norm, residual and neuron over all time steps, a chunk of neurons at a time: the state never leaves the registers.
#pragma once

#include "neuron.h"
#include "norm.h"

namespace spikedistill {

// What forward and backward share. The current of step t at element i of a step is scale * x + shift + residual.
template <class S>
struct Currents {
  int64_t steps, rows, channels;  // rows of one step: B * H * W
  Neuron neuron;
  const S* x;
  int64_t x_steps;  // 1 or `steps`
  Periodic scale, shift;
  const S* residual;           // or null
  const uint8_t* residual_bits;  // or null: the residual as packed spikes
  int64_t residual_steps;      // 0, 1 or `steps`

  int64_t step_size() const { return rows * channels; }
  int64_t x_at(int64_t t, int64_t i) const { return x_steps == 1 ? i : t * step_size() + i; }
  int64_t residual_at(int64_t t, int64_t i) const { return residual_steps == 1 ? i : t * step_size() + i; }

  template <class N>
  SPIKEDISTILL_INLINE void load(int64_t t, int64_t i, int64_t channel, N n, Lanes& current) const {
    const float *a = scale.from(channel), *b = shift.from(channel);
    const S* from = x + x_at(t, i);
    for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
      const int at = k * kWidth;
      current[k] = spikedistill::load(from + at, n - at) * spikedistill::load(a + at) + spikedistill::load(b + at);
    });
    if (residual != nullptr) {
      const S* r = residual + residual_at(t, i);
      for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
        current[k] += spikedistill::load(r + k * kWidth, n - k * kWidth);
      });
    } else if (residual_bits != nullptr) {
      const uint64_t bits = read_bits(residual_bits, residual_at(t, i));
      for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
        current[k] += which_bits(bits, k) ? splat(1.0f) : splat(0.0f);
      });
    }
  }
};

template <class S>
void fused_forward(const Currents<S>& in, S* y) {
  with_step(in.neuron, [&]<class Step>(Step) {
    const Neuron neuron = in.neuron;
    Blocks(in.rows, in.channels, in.steps).run([&](int64_t, int64_t begin, int64_t end) {
      for_chunks(begin, end, in.channels, [&](int64_t i, int64_t channel, auto n) {
        Lanes current, v;
        fill(v, neuron.rest);
        for (int64_t t = 0; t < in.steps; ++t) {
          in.load(t, i, channel, n, current);
          S* to = y + t * in.step_size() + i;
          for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
            Vec h;
            Step::advance(neuron, current[k], v[k], h);
            Step::emit(neuron, h, to + k * kWidth, n - k * kWidth);
          });
        }
      });
    });
  });
}

// Where the gradients go. The gradient of the current is stored in the residual's gradient and, scaled by
// `input_scale`, in x's: summed over the steps where the tensor has one step.
template <class S>
struct Gradients {
  S* x;                // or null
  S* residual;         // or null
  Periodic input_scale, mean;
  bool norm;                     // whether `sums` are asked for
  bool decay;                    // whether the gradient of q is asked for (PLIF)
  std::vector<double> sums;      // [2, C]: of the current's gradient g, and of g * (x - mean)
  double decay_sum;              // gradient of q
};

template <class S>
class Backward {
 public:
  Backward(const Currents<S>& in, const S* grad, Gradients<S>& out) : in_(in), grad_(grad), out_(out) {}

  void run() {
    const auto charge = with_step(in_.neuron, []<class Step>(Step) { return &Backward::charge<Step>; });
    const auto retreat = with_slopes(in_.neuron, []<class Slopes>(Slopes) { return &Backward::retreat<Slopes>; });
    const int64_t channels = in_.channels;
    const Blocks blocks(in_.rows, channels, in_.steps);
    std::vector<double> sums(blocks.count * 2 * channels, 0.0), decay_sums(blocks.count, 0.0);
    blocks.run([&](int64_t block, int64_t begin, int64_t end) {
      Sums seen{Periodic(channels, 0.0f), Periodic(channels, 0.0f), splat(0.0f)};
      std::vector<Lanes, Aligned<Lanes>> charges(in_.steps);
      for_chunks(begin, end, channels, [&](int64_t i, int64_t channel, int n) {
        (this->*charge)(i, channel, n, charges.data());
        (this->*retreat)(i, channel, n, charges.data(), seen);
      });
      seen.plain.fold_into(&sums[block * 2 * channels]);
      seen.centred.fold_into(&sums[(block * 2 + 1) * channels]);
      for (int l = 0; l < kWidth; ++l) decay_sums[block] += seen.decay[l];
    });
    out_.sums.assign(2 * channels, 0.0);
    out_.decay_sum = 0.0;
    for (int64_t block = 0; block < blocks.count; ++block) {
      for (int64_t c = 0; c < 2 * channels; ++c) out_.sums[c] += sums[block * 2 * channels + c];
      out_.decay_sum += decay_sums[block];
    }
  }

 private:
  struct Sums {
    Periodic plain, centred;
    Vec decay;
  };

  const Currents<S>& in_;
  const S* grad_;
  Gradients<S>& out_;

  // The charges of all steps of a chunk, as in the forward pass.
  template <class Step>
  void charge(int64_t i, int64_t channel, int length, Lanes* charges) {
    const Neuron neuron = in_.neuron;
    with_length(length, [&](auto n) {
      Lanes current, v;
      fill(v, neuron.rest);
      for (int64_t t = 0; t < in_.steps; ++t) {
        in_.load(t, i, channel, n, current);
        for_vectors([&](int k) SPIKEDISTILL_LAMBDA { Step::advance(neuron, current[k], v[k], charges[t][k]); });
      }
    });
  }

  // From the last step to the first: the gradients of a chunk.
  template <class Slopes>
  void retreat(int64_t i, int64_t channel, int length, const Lanes* charges, Sums& seen) {
    const Neuron neuron = in_.neuron;
    const bool sum_x = in_.x_steps == 1 && in_.steps > 1;
    const bool sum_residual = in_.residual_steps == 1 && in_.steps > 1;
    with_length(length, [&](auto n) {
      Lanes v, g, charge_grad, total, plain, centred;
      for (Lanes* lanes : {&v, &total, &plain, &centred}) fill(*lanes, 0.0f);
      for (int64_t t = in_.steps; t-- > 0;) {
        const S* y_grad = grad_ + t * in_.step_size() + i;
        for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
          g[k] = load(y_grad + k * kWidth, n - k * kWidth);
          charge_grad[k] = Slopes::retreat(neuron, charges[t][k], g[k], v[k]);
        });
        if (out_.decay) add_decay_gradient(t, charges, charge_grad, seen.decay);
        if (sum_x || sum_residual) for_vectors([&](int k) SPIKEDISTILL_LAMBDA { total[k] += g[k]; });
        if (!sum_x) finish_x(t, i, channel, n, g, plain, centred);
        if (out_.residual != nullptr && !sum_residual) put(out_.residual + t * in_.step_size() + i, n, g);
      }
      if (sum_x) finish_x(0, i, channel, n, total, plain, centred);
      if (out_.residual != nullptr && sum_residual) put(out_.residual + i, n, total);
      if (out_.norm) {
        seen.plain.add(channel, plain);
        seen.centred.add(channel, centred);
      }
    });
  }

  template <class N>
  static SPIKEDISTILL_INLINE void put(S* to, N n, const Lanes& g) {
    for_vectors([&](int k) SPIKEDISTILL_LAMBDA { store(to + k * kWidth, g[k], n - k * kWidth); });
  }

  template <class N>
  SPIKEDISTILL_INLINE void finish_x(int64_t t, int64_t i, int64_t channel, N n, const Lanes& g, Lanes& plain,
                                    Lanes& centred) {
    if (out_.norm) {
      const S* x = in_.x + in_.x_at(t, i);
      const float* mean = out_.mean.from(channel);
      for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
        const int at = k * kWidth;
        plain[k] += g[k];
        centred[k] = multiply_add(g[k], load(x + at, n - at) - load(mean + at), centred[k]);
      });
    }
    if (out_.x != nullptr) {
      S* to = out_.x + in_.x_at(t, i);
      const float* scale = out_.input_scale.from(channel);
      for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
        store(to + k * kWidth, g[k] * load(scale + k * kWidth), n - k * kWidth);
      });
    }
  }

  // dh / dq: (h - v) / q where the input decays too, otherwise rest - v; v is the potential before the step. The
  // gradient is 0 beyond the end of a chunk that is not full.
  void add_decay_gradient(int64_t t, const Lanes* charges, const Lanes& charge_grad, Vec& decay_grad) {
    const Neuron p = in_.neuron;
    const bool input_decays = p.charge == Charge::kInputProduct;
    for_vectors([&](int k) {
      const Vec before = t == 0 ? splat(p.rest) : after_reset(charges[t - 1][k], p, p.hard);
      const Vec slope = input_decays ? (charges[t][k] - before) / p.factor : p.rest - before;
      decay_grad += charge_grad[k] * slope;
    });
  }
};

}  // namespace spikedistill
