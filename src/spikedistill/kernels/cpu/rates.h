// Norm, residual and spiking neuron whose backward pass is done once, on rates (Yu et al., NeurIPS 2024): the forward
// pass keeps per neuron the mean of x over time and the derivative of the firing rate with respect to a current that is
// added in every step.
#pragma once

#include <ATen/ops/empty.h>

#include "norm_act.h"

namespace spikedistill {

template <class S>
class RateForward {
 public:
  // `x_mean` is null where x has one step and is its own mean.
  RateForward(const Currents<S>& in, S* y, S* x_mean, S* slope) : in_(in), y_(y), x_mean_(x_mean), slope_(slope) {}

  void run();

 private:
  const Currents<S>& in_;
  S *y_, *x_mean_, *slope_;

  // Spikes, charges and the mean of x.
  template <class Step>
  void spike(int64_t i, int64_t channel, int length, Lanes* charges) {
    with_length(length, [&](auto n) SPIKEDISTILL_LAMBDA {
      const Neuron neuron = in_.neuron;
      const int64_t steps = in_.steps, stride = in_.step_size();
      S* const out = y_ + i;
      run_neurons<Step>(in_, i, channel, n, [&](int64_t t, int at, int left, Vec h) SPIKEDISTILL_LAMBDA {
        Step::emit(neuron, h, out + t * stride + at, left);
        charges[t][at / kWidth] = h;
      });
      if (x_mean_ == nullptr) return;
      for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
        const int at = k * kWidth;
        Vec total = {};
        for (int64_t t = 0; t < steps; ++t) total += load(in_.x + t * stride + i + at, n - at);
        store(x_mean_ + i + at, total * share(), n - at);
      });
    });
  }

  // The derivative of the firing rate.
  template <class Slopes>
  void carry(int64_t i, int length, const Lanes* charges) {
    if constexpr (Slopes::kSpiking) {
      with_length(length, [&](auto n) {
        const Neuron neuron = in_.neuron;
        const int64_t steps = in_.steps;
        for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
          Vec tangent = {}, total = {};
          for (int64_t t = 0; t < steps; ++t) total += Slopes::carry(neuron, charges[t][k], tangent);
          store(slope_ + i + k * kWidth, total * share(), n - k * kWidth);
        });
      });
    }
  }

  float share() const { return 1.0f / static_cast<float>(in_.steps); }
};

template <class S>
void RateForward<S>::run() {
  const auto spike = with_step(in_.neuron, []<class Step>(Step) { return &RateForward::spike<Step>; });
  const auto carry = with_slopes<S>(in_.neuron, []<class Slopes>(Slopes) { return &RateForward::carry<Slopes>; });
  Blocks(in_.rows, in_.channels, in_.steps).run([&](int64_t, int64_t begin, int64_t end) {
    std::vector<Lanes, Aligned<Lanes>> charges(in_.steps);
    for_chunks(begin, end, in_.channels, [&](int64_t i, int64_t channel, int n) {
      (this->*spike)(i, channel, n, charges.data());
      (this->*carry)(i, n, charges.data());
    });
  });
}

extern template void RateForward<float>::run();
extern template void RateForward<uint16_t>::run();

// As norm_act; also the mean of x over time [1, B, C, ...] (empty where x has one step) and the derivative of the rate.
inline std::tuple<Tensor, Tensor, Tensor, Tensor> norm_act_rate(
    const Tensor& x_in, const OptionalTensor& weight, const OptionalTensor& bias, const OptionalTensor& running_mean,
    const OptionalTensor& running_var, const OptionalTensor& residual, int64_t steps, bool training, double eps,
    at::IntArrayRef codes, at::ArrayRef<double> constants) {
  const Tensor x = in_rows(x_in);
  const Tensor statistics = statistics_of(x, weight.has_value(), running_mean, running_var, training, eps);
  std::vector<int64_t> shape = x.sizes().vec();
  shape[0] = steps;
  const Tensor y = empty_rows(shape, x.options());
  shape[0] = 1;
  const Tensor slope = empty_rows(shape, x.options());
  const bool moving = x.size(0) > 1;
  const Tensor x_mean = moving ? empty_rows(shape, x.options()) : at::empty({0}, x.options());
  const Neuron neuron = neuron_of(codes, constants, std::nullopt);
  TORCH_CHECK(neuron.surrogate != Surrogate::kNone, "norm_act_rate: a neuron without a surrogate");
  with_storage(x, [&](auto zero) {
    using S = decltype(zero);
    const Inputs<S> inputs(x, weight, bias, statistics.const_data_ptr<float>(), residual,
                           residual.has_value() ? residual->size(0) : 0, steps, neuron);
    const auto at = [](const Tensor& tensor) { return static_cast<S*>(tensor.mutable_data_ptr()); };
    RateForward<S>(inputs.currents, at(y), moving ? at(x_mean) : nullptr, at(slope)).run();
    return 0;
  });
  return {y, statistics, x_mean, slope};
}

// From the gradient of one step's output [1, B, C, ...], the same in every step: that of one step's current, of one
// step's x, of the weight and of the bias. The latter two are empty without a norm.
inline std::tuple<Tensor, Tensor, Tensor, Tensor> norm_act_rate_backward(
    const Tensor& grad_in, const Tensor& slope_in, const Tensor& x_mean_in, const OptionalTensor& weight,
    const Tensor& statistics, int64_t steps, bool training) {
  const Tensor grad = in_rows(grad_in), slope = in_rows(slope_in), x_mean = in_rows(x_mean_in);
  TORCH_CHECK(grad.sizes() == slope.sizes() && grad.sizes() == x_mean.sizes() && grad.size(0) == 1,
              "norm_act_rate_backward: [1, B, C, ...] three times");
  TORCH_CHECK(grad.scalar_type() == slope.scalar_type() && grad.scalar_type() == x_mean.scalar_type(),
              "norm_act_rate_backward: the gradient must have x's dtype");
  const int64_t channels = grad.size(2), rows = grad.numel() / std::max<int64_t>(channels, 1);
  const bool norm = weight.has_value();
  const float* stats = statistics.const_data_ptr<float>();
  const float* gain = norm ? floats(*weight, "weight", channels) : nullptr;
  const Tensor current_grad = empty_rows(grad.sizes(), grad.options());
  const Tensor x_grad = empty_rows(grad.sizes(), grad.options());
  const auto parameters = grad.options().dtype(at::kFloat);
  const Tensor weight_grad = at::zeros({norm ? channels : 0}, parameters);
  const Tensor bias_grad = at::zeros({norm ? channels : 0}, parameters);
  const auto scales = Periodic::of(channels, [&](int64_t c) { return norm ? stats[channels + c] * gain[c] : 1.0f; });
  const auto means = Periodic::of(channels, [&](int64_t c) { return stats[c]; });
  with_storage(grad, [&](auto zero) {
    using S = decltype(zero);
    const auto at = [](const Tensor& tensor) { return static_cast<S*>(tensor.mutable_data_ptr()); };
    const S *dy = at(grad), *rate_slope = at(slope), *x = at(x_mean);
    S *g = at(current_grad), *dx = at(x_grad);
    const Blocks blocks(rows, channels, 1);
    std::vector<double> sums(blocks.count * 2 * channels, 0.0), total(2 * channels, 0.0);
    blocks.run([&](int64_t block, int64_t begin, int64_t end) {
      Periodic plain(channels, 0.0f), centred(channels, 0.0f);
      for_chunks(begin, end, channels, [&](int64_t i, int64_t channel, auto n) {
        Lanes both, far;
        for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
          const int64_t at = i + k * kWidth;
          const int left = n - k * kWidth;
          both[k] = load(dy + at, left) * load(rate_slope + at, left);
          far[k] = both[k] * (load(x + at, left) - load(means.from(channel) + k * kWidth));
          store(g + at, both[k], left);
          if (!training) store(dx + at, both[k] * load(scales.from(channel) + k * kWidth), left);
        });
        plain.add(channel, both);
        centred.add(channel, far);
      });
      plain.fold_into(&sums[block * 2 * channels]);
      centred.fold_into(&sums[(block * 2 + 1) * channels]);
    });
    for (size_t i = 0; i < sums.size(); ++i) total[i % (2 * channels)] += sums[i];
    if (training) norm_backward(g, x, rows, channels, scales.from(0), stats, total.data(), dx);
    for (int64_t c = 0; norm && c < channels; ++c) {
      weight_grad.mutable_data_ptr<float>()[c] = static_cast<float>(steps * total[channels + c] * stats[channels + c]);
      bias_grad.mutable_data_ptr<float>()[c] = static_cast<float>(steps * total[c]);
    }
    return 0;
  });
  return {current_grad, x_grad, weight_grad, bias_grad};
}

// The mean [1, B, C, ...] of x [T, B, C, ...] over time.
inline Tensor mean_over_time(const Tensor& x_in) {
  const Tensor x = in_rows(x_in);
  std::vector<int64_t> shape = x.sizes().vec();
  const int64_t steps = shape[0];
  shape[0] = 1;
  const Tensor mean = empty_rows(shape, x.options());
  const int64_t size = mean.numel();
  const float share = 1.0f / static_cast<float>(steps);
  with_storage(x, [&](auto zero) {
    using S = decltype(zero);
    const S* from = static_cast<const S*>(x.const_data_ptr());
    S* to = static_cast<S*>(mean.mutable_data_ptr());
    at::parallel_for(0, (size + kLanes - 1) / kLanes, 128, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * kLanes; i < std::min(end * kLanes, size); i += kLanes) {
        with_length(static_cast<int>(std::min<int64_t>(kLanes, size - i)), [&](auto n) {
          for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
            const int64_t at = i + k * kWidth;
            const int left = n - k * kWidth;
            Vec total = {};
            for (int64_t t = 0; t < steps; ++t) total += load(from + t * size + at, left);
            store(to + at, total * share, left);
          });
        });
      }
    });
    return 0;
  });
  return mean;
}

}  // namespace spikedistill
