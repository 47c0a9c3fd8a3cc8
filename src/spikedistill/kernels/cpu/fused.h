// Norm, residual and neuron over all time steps, a chunk of neurons at a time: the state never leaves the registers.
#pragma once

#include "neuron.h"
#include "norm.h"

namespace spikedistill {

// The current of a vector of neurons: scale * x + shift + residual.
template <class S>
struct VectorCurrent {
  const S* x;
  int64_t x_stride;  // from one step to the next
  Vec scale, shift;
  const S* residual;  // or null
  const uint8_t* residual_bits;
  int64_t residual_stride, first_bit;

  // At step t, of the first n neurons.
  SPIKEDISTILL_INLINE Vec at(int64_t t, int n) const {
    Vec current = multiply_add(load(x + t * x_stride, n), scale, shift);
    if (residual != nullptr) {
      current += load(residual + t * residual_stride, n);
    } else if (residual_bits != nullptr) {
      const Mask spikes = read_bits(residual_bits, first_bit + t * residual_stride);
      current += select(spikes, splat(1.0f), splat(0.0f));
    }
    return current;
  }
};

// What forward and backward share: all currents.
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
  int64_t x_stride() const { return x_steps == 1 ? 0 : step_size(); }
  int64_t residual_stride() const { return residual_steps == 1 ? 0 : step_size(); }

  // Of the vector that starts at element i of a step, which is of this channel.
  SPIKEDISTILL_INLINE VectorCurrent<S> from(int64_t i, int64_t channel) const {
    return {x + i,
            x_stride(),
            load(scale.from(channel)),
            load(shift.from(channel)),
            residual == nullptr ? nullptr : residual + i,
            residual_bits,
            residual_stride(),
            i};
  }
};

// The potential of a chunk's neurons through time: charged(t, first neuron, number of them, charge) is called with the
// charge of each step.
template <class Step, class S, class F>
SPIKEDISTILL_INLINE void run_neurons(const Currents<S>& in, int64_t i, int64_t channel, int n, const F& charged) {
  const Neuron neuron = in.neuron;
  const int64_t steps = in.steps;
  for_groups([&](int first) SPIKEDISTILL_LAMBDA {
    VectorCurrent<S> current[kGroup];
    Vec v[kGroup];
    for_members([&](int k) SPIKEDISTILL_LAMBDA {
      const int at = (first + k) * kWidth;
      current[k] = in.from(i + at, channel + at);
      v[k] = splat(neuron.start);
    });
    for (int64_t t = 0; t < steps; ++t) {
      for_members([&](int k) SPIKEDISTILL_LAMBDA {
        const int at = (first + k) * kWidth;
        Vec h;
        Step::advance(neuron, current[k].at(t, n - at), v[k], h);
        charged(t, at, n - at, h);
      });
    }
  });
}

template <class S>
void fused_forward(const Currents<S>& in, S* y) {
  with_step(in.neuron, [&]<class Step>(Step) {
    Blocks(in.rows, in.channels, in.steps).run([&](int64_t, int64_t begin, int64_t end) {
      const int64_t stride = in.step_size();
      S* const out = y;
      for_chunks(begin, end, in.channels, [&](int64_t i, int64_t channel, auto n) SPIKEDISTILL_LAMBDA {
        const Neuron neuron = in.neuron;
        run_neurons<Step>(in, i, channel, n, [&](int64_t t, int at, int left, Vec h) SPIKEDISTILL_LAMBDA {
          Step::emit(neuron, h, out + t * stride + i + at, left);
        });
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
  const Periodic* input_scale;   // or null: 1
  Periodic mean;
  bool norm;                     // whether `sums` are asked for
  bool decay;                    // whether the gradient of q is asked for (PLIF)
  std::vector<double> sums;      // [2, C]: of the current's gradient g, and of g * (x - mean)
  double decay_sum;              // gradient of q
};

template <class S>
class Backward {
 public:
  Backward(const Currents<S>& in, const S* grad, Gradients<S>& out) : in_(in), grad_(grad), out_(out) {}

  void run();

 private:
  struct Sums {
    Periodic plain, centred;
    Vec decay;
  };

  const Currents<S>& in_;
  const S* grad_;
  Gradients<S>& out_;

  // All chunks; charge(element, channel, length, charges) fills in a chunk's.
  template <class Slopes, class F>
  void blocks(const F& charge) {
    const int64_t channels = in_.channels;
    const Blocks blocks(in_.rows, channels, in_.steps);
    std::vector<double> sums(blocks.count * 2 * channels, 0.0), decay_sums(blocks.count, 0.0);
    blocks.run([&](int64_t block, int64_t begin, int64_t end) {
      Sums seen{Periodic(channels, 0.0f), Periodic(channels, 0.0f), splat(0.0f)};
      std::vector<Lanes, Aligned<Lanes>> scratch(in_.steps);
      Lanes* const charges = scratch.data();
      for_chunks(begin, end, channels, [&](int64_t i, int64_t channel, auto n) SPIKEDISTILL_LAMBDA {
        charge(i, channel, n, charges);
        retreat<Slopes>(i, channel, n, charges, seen);
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

  // The charges of all steps of a chunk, as in the forward pass.
  template <class Step>
  SPIKEDISTILL_INLINE void charge(int64_t i, int64_t channel, int n, Lanes* charges) const {
    run_neurons<Step>(in_, i, channel, n, [&](int64_t t, int at, int, Vec h) SPIKEDISTILL_LAMBDA {
      charges[t][at / kWidth] = h;
    });
  }

  // The same, for neurons that are not worth a copy of `blocks` each.
  template <class Step>
  void charge_apart(int64_t i, int64_t channel, int length, Lanes* charges) const {
    with_length(length, [&](auto n) SPIKEDISTILL_LAMBDA { charge<Step>(i, channel, n, charges); });
  }

  // From the last step to the first: the gradients of a chunk.
  template <class Slopes>
  SPIKEDISTILL_INLINE void retreat(int64_t i, int64_t channel, int n, const Lanes* charges, Sums& seen) {
    const Neuron neuron = in_.neuron;
    const int64_t steps = in_.steps, stride = in_.step_size();
    const bool norm = out_.norm, decay = out_.decay;
    const bool sum_x = in_.x_steps == 1 && steps > 1, sum_residual = in_.residual_steps == 1 && steps > 1;
    const float* means = out_.mean.from(channel);
    const float* scales = out_.input_scale == nullptr ? nullptr : out_.input_scale->from(channel);
    const S *x = in_.x + i, *y_grad = grad_ + i;
    S* const dx = out_.x == nullptr ? nullptr : out_.x + i;
    S* const residual_grad = out_.residual == nullptr ? nullptr : out_.residual + i;
    Lanes plain, centred;
    for_groups([&](int first) SPIKEDISTILL_LAMBDA {
      Vec v[kGroup], total[kGroup], plain_sum[kGroup], centred_sum[kGroup], mean[kGroup];
      for_members([&](int k) SPIKEDISTILL_LAMBDA {
        v[k] = total[k] = plain_sum[k] = centred_sum[k] = Vec{};
        mean[k] = load(means + (first + k) * kWidth);
      });
      // g is the gradient of the current at the x that lies at `place`
      const auto finish_x = [&](int64_t place, int k, Vec g) SPIKEDISTILL_LAMBDA {
        const int at = (first + k) * kWidth, left = n - at;
        if (norm) {
          plain_sum[k] += g;
          centred_sum[k] = multiply_add(g, load(x + place + at, left) - mean[k], centred_sum[k]);
        }
        if (dx != nullptr) store(dx + place + at, scales == nullptr ? g : g * load(scales + at), left);
      };
      for (int64_t t = steps; t-- > 0;) {
        for_members([&](int k) SPIKEDISTILL_LAMBDA {
          const int at = (first + k) * kWidth, left = n - at;
          Vec g = load(y_grad + t * stride + at, left);
          const Vec charge_grad = Slopes::retreat(neuron, charges[t][first + k], g, v[k]);
          if (decay) add_decay_gradient(t, first + k, charges, charge_grad, seen.decay);
          if (sum_x || sum_residual) total[k] += g;
          if (!sum_x) finish_x(t * stride, k, g);
          if (residual_grad != nullptr && !sum_residual) store(residual_grad + t * stride + at, g, left);
        });
      }
      for_members([&](int k) SPIKEDISTILL_LAMBDA {
        const int at = (first + k) * kWidth;
        if (sum_x) finish_x(0, k, total[k]);
        if (residual_grad != nullptr && sum_residual) store(residual_grad + at, total[k], n - at);
        plain[first + k] = plain_sum[k];
        centred[first + k] = centred_sum[k];
      });
    });
    if (norm) {
      seen.plain.add(channel, plain);
      seen.centred.add(channel, centred);
    }
  }

  // dh / dq: (h - v) / q where the input decays too, otherwise rest - v; v is the potential before the step. The
  // gradient is 0 beyond the end of a chunk that is not full.
  void add_decay_gradient(int64_t t, int k, const Lanes* charges, Vec charge_grad, Vec& decay_grad) {
    const Neuron p = in_.neuron;
    const Vec before = t == 0 ? splat(p.start) : after_reset(charges[t - 1][k], p, p.hard);
    const bool input_decays = p.charge == Charge::kInputProduct;
    decay_grad += charge_grad * (input_decays ? (charges[t][k] - before) / p.factor : p.rest - before);
  }
};

template <class S>
void Backward<S>::run() {
  with_slopes<S>(in_.neuron, [this]<class Slopes>(Slopes) {
    if constexpr (Slopes::kPlain) {
      using Step = Spiking<Charge::kSum, Slopes::kHard>;
      blocks<Slopes>([this](auto... chunk) SPIKEDISTILL_LAMBDA { charge<Step>(chunk...); });
    } else {
      const auto step = with_step(in_.neuron, []<class Step>(Step) { return &Backward::charge_apart<Step>; });
      blocks<Slopes>([this, step](auto... chunk) SPIKEDISTILL_LAMBDA { (this->*step)(chunk...); });
    }
  });
}

// Compiled side by side, in files of their own.
extern template void fused_forward<float>(const Currents<float>&, float*);
extern template void fused_forward<uint16_t>(const Currents<uint16_t>&, uint16_t*);
extern template void Backward<float>::run();
extern template void Backward<uint16_t>::run();

}  // namespace spikedistill
