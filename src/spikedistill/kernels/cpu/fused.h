// Norm, residual and neuron over all time steps, a chunk of neurons at a time: the state never leaves the cache.
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

  void load(int64_t t, int64_t i, int64_t channel, int n, Lanes& current) const {
    const float *a = scale.from(channel), *b = shift.from(channel);
    const S* from = x + x_at(t, i);
    if (residual != nullptr) {
      const S* r = residual + residual_at(t, i);
      for_lanes(n, [&](int l) { current[l] = (widen(from[l]) * a[l] + b[l]) + widen(r[l]); });
    } else if (residual_bits != nullptr) {
      Lanes r;
      load_bits(residual_bits, residual_at(t, i), r);
      for_lanes(n, [&](int l) { current[l] = (widen(from[l]) * a[l] + b[l]) + r[l]; });
    } else {
      for_lanes(n, [&](int l) { current[l] = widen(from[l]) * a[l] + b[l]; });
    }
  }
};

template <class S>
void fused_forward(const Currents<S>& in, S* y) {
  Blocks(in.rows, in.channels, in.steps).run([&](int64_t, int64_t begin, int64_t end) {
    Lanes current = {}, v, h;
    for_chunks(begin, end, in.channels, [&](int64_t i, int64_t channel, int n) {
      fill(v, in.neuron.rest);
      for (int64_t t = 0; t < in.steps; ++t) {
        in.load(t, i, channel, n, current);
        advance(in.neuron, current, v, h);
        emit(in.neuron, h, y + t * in.step_size() + i, n);
      }
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
    const int64_t channels = in_.channels;
    const Blocks blocks(in_.rows, channels, in_.steps);
    std::vector<double> sums(blocks.count * 2 * channels, 0.0), decay_sums(blocks.count, 0.0);
    blocks.run([&](int64_t block, int64_t begin, int64_t end) {
      Periodic plain(channels, 0.0f), centred(channels, 0.0f);
      std::vector<Lanes> charges(in_.steps);
      Lanes decay_grad = {};
      for_chunks(begin, end, channels, [&](int64_t i, int64_t channel, int n) {
        chunk(i, channel, n, charges.data(), plain.from(channel), centred.from(channel), decay_grad);
      });
      plain.fold_into(&sums[block * 2 * channels]);
      centred.fold_into(&sums[(block * 2 + 1) * channels]);
      for (int l = 0; l < kLanes; ++l) decay_sums[block] += decay_grad[l];
    });
    out_.sums.assign(2 * channels, 0.0);
    out_.decay_sum = 0.0;
    for (int64_t block = 0; block < blocks.count; ++block) {
      for (int64_t c = 0; c < 2 * channels; ++c) out_.sums[c] += sums[block * 2 * channels + c];
      out_.decay_sum += decay_sums[block];
    }
  }

 private:
  const Currents<S>& in_;
  const S* grad_;
  Gradients<S>& out_;

  void chunk(int64_t i, int64_t channel, int n, Lanes* charges, float* plain, float* centred, Lanes& decay_grad) {
    Lanes current = {}, v, g = {}, charge_grad, total;
    fill(v, in_.neuron.rest);
    for (int64_t t = 0; t < in_.steps; ++t) {
      in_.load(t, i, channel, n, current);
      advance(in_.neuron, current, v, charges[t]);
    }
    const float *scale = out_.input_scale.from(channel), *mean = out_.mean.from(channel);
    const bool sum_x = in_.x_steps == 1 && in_.steps > 1;
    const bool sum_residual = in_.residual_steps == 1 && in_.steps > 1;
    fill(v, 0.0f);
    fill(total, 0.0f);
    for (int64_t t = in_.steps; t-- > 0;) {
      const S* y_grad = grad_ + t * in_.step_size() + i;
      for_lanes(n, [&](int l) { g[l] = widen(y_grad[l]); });
      retreat(in_.neuron, charges[t], g, v, charge_grad);
      if (out_.decay) add_decay_gradient(t, n, charges, charge_grad, decay_grad);
      if (sum_x || sum_residual) for_all_lanes([&](int l) { total[l] += g[l]; });
      if (!sum_x) finish_x(t, i, n, g, scale, mean, plain, centred);
      if (out_.residual != nullptr && !sum_residual) {
        S* to = out_.residual + t * in_.step_size() + i;
        for_lanes(n, [&](int l) { to[l] = narrow<S>(g[l]); });
      }
    }
    if (sum_x) finish_x(0, i, n, total, scale, mean, plain, centred);
    if (out_.residual != nullptr && sum_residual) {
      S* to = out_.residual + i;
      for_lanes(n, [&](int l) { to[l] = narrow<S>(total[l]); });
    }
  }

  void finish_x(int64_t t, int64_t i, int n, const Lanes& g, const float* scale, const float* mean, float* plain,
                float* centred) {
    if (out_.norm) {
      const S* x = in_.x + in_.x_at(t, i);
      for_lanes(n, [&](int l) {
        plain[l] += g[l];
        centred[l] = multiply_add(g[l], widen(x[l]) - mean[l], centred[l]);
      });
    }
    if (out_.x != nullptr) {
      S* to = out_.x + in_.x_at(t, i);
      for_lanes(n, [&](int l) { to[l] = narrow<S>(g[l] * scale[l]); });
    }
  }

  // dh / dq: (h - v) / q where the input decays too, otherwise rest - v; v is the potential before the step.
  void add_decay_gradient(int64_t t, int n, const Lanes* charges, const Lanes& charge_grad, Lanes& decay_grad) {
    const Neuron p = in_.neuron;
    const bool input_decays = p.charge == Charge::kInputProduct;
    for_lanes(n, [&](int l) {
      const float before = t == 0 ? p.rest : after_reset(charges[t - 1][l], p, p.hard);
      const float slope = input_decays ? (charges[t][l] - before) / p.factor : p.rest - before;
      decay_grad[l] += charge_grad[l] * slope;
    });
  }
};

}  // namespace spikedistill
