// norm_act and its backward pass on tensors: what is checked, allocated and returned.
#pragma once

#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>
#include <c10/util/BFloat16.h>

#include <optional>
#include <tuple>

#include "fused.h"

namespace spikedistill {

inline const float* floats(const Tensor& x, const char* name, int64_t numel) {
  TORCH_CHECK(x.scalar_type() == at::kFloat && x.numel() == numel && x.is_contiguous(), name,
              " must be contiguous float32 of ", numel, " elements");
  return x.const_data_ptr<float>();
}

// See codes.py for the order.
inline Neuron neuron_of(at::IntArrayRef codes, at::ArrayRef<double> constants, const OptionalTensor& w) {
  TORCH_CHECK(codes.size() == 4 && constants.size() == 7, "norm_act: 4 codes and 7 constants");
  const auto constant = [&](int i) { return static_cast<float>(constants[i]); };
  Neuron p = {};
  p.charge = static_cast<Charge>(codes[0]);
  p.surrogate = static_cast<Surrogate>(codes[1]);
  p.hard = codes[2] != 0;
  p.through = codes[3] != 0 ? 0.0f : 1.0f;
  p.threshold = constant(0);
  p.rest = constant(1);
  p.factor = w.has_value() ? at::sigmoid(*w).item<float>() : constant(2);
  p.penalty = constant(3);
  p.a = constant(4);
  p.b = constant(5);
  p.start = constant(6);
  const bool quotient = p.charge == Charge::kInputQuotient || p.charge == Charge::kLeakQuotient;
  const float q = quotient ? 1.0f / p.factor : p.factor;
  const bool input_decays = p.charge == Charge::kInputProduct || p.charge == Charge::kInputQuotient;
  p.input_gain = input_decays ? q : 1.0f;
  p.memory = p.charge == Charge::kSum ? 1.0f : p.charge == Charge::kGraded ? q : 1.0f - q;
  return p;
}

// Tensors in the order of rows, and the pointers into them.
template <class S>
struct Inputs {
  Tensor x, residual;
  Currents<S> currents;

  Inputs(const Tensor& x_in, const OptionalTensor& weight, const OptionalTensor& bias, const float* statistics,
         const OptionalTensor& residual_in, int64_t residual_steps, int64_t steps, const Neuron& neuron)
      : x(in_rows(x_in)) {
    TORCH_CHECK(x.dim() == 3 || x.dim() == 5, "norm_act: x must be [T, B, C] or [T, B, C, H, W]");
    TORCH_CHECK(x.size(0) == 1 || x.size(0) == steps, "norm_act: x has neither one step nor ", steps);
    TORCH_CHECK(residual_steps <= 1 || residual_steps == steps,
                "norm_act: the residual has neither one step nor ", steps);
    Currents<S>& c = currents;
    c.steps = steps;
    c.channels = x.size(2);
    c.rows = x.numel() / std::max<int64_t>(x.size(0) * c.channels, 1);
    c.neuron = neuron;
    c.x = static_cast<const S*>(x.const_data_ptr());
    c.x_steps = x.size(0);
    c.residual = nullptr;
    c.residual_bits = nullptr;
    c.residual_steps = residual_steps;
    if (residual_in.has_value() && residual_in->scalar_type() == at::kByte) {
      residual = *residual_in;
      c.residual_bits = residual.const_data_ptr<uint8_t>();
    } else if (residual_in.has_value()) {
      TORCH_CHECK(residual_in->scalar_type() == x.scalar_type(), "norm_act: x and residual must have one dtype");
      TORCH_CHECK(residual_in->numel() == residual_steps * c.step_size(), "norm_act: the residual's shape is not x's");
      residual = in_rows(*residual_in);
      c.residual = static_cast<const S*>(residual.const_data_ptr());
    }
    if (weight.has_value()) {
      const float* w = floats(*weight, "weight", c.channels);
      const float* b = floats(*bias, "bias", c.channels);
      c.scale = Periodic::of(c.channels, [&](int64_t i) { return statistics[c.channels + i] * w[i]; });
      c.shift = Periodic::of(c.channels, [&](int64_t i) { return b[i] - statistics[i] * *c.scale.from(i); });
    } else {
      c.scale = Periodic(c.channels, 1.0f);
      c.shift = Periodic(c.channels, 0.0f);
    }
  }
};

// Calls f<S>() with the type in memory of x's elements.
template <class F>
auto with_storage(const Tensor& x, F f) {
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16,
              "float32 or bfloat16, not ", x.dtype());
  return x.scalar_type() == at::kFloat ? f(float{}) : f(uint16_t{});
}

// Statistics [3, C] of norm.h: of this batch in training, else the running ones; zero without a norm.
inline Tensor statistics_of(const Tensor& x, bool norm, const OptionalTensor& running_mean,
                            const OptionalTensor& running_var, bool training, double eps) {
  const int64_t channels = x.size(2);
  Tensor statistics = at::zeros({3, channels}, x.options().dtype(at::kFloat));
  float* stats = statistics.mutable_data_ptr<float>();
  if (training) {
    with_storage(x, [&](auto zero) {
      using S = decltype(zero);
      const int64_t rows = x.numel() / std::max<int64_t>(channels, 1);
      batch_statistics(static_cast<const S*>(x.const_data_ptr()), rows, channels, eps, stats);
      return 0;
    });
  } else if (norm) {
    const float* mean = floats(*running_mean, "running_mean", channels);
    const float* var = floats(*running_var, "running_var", channels);
    for (int64_t c = 0; c < channels; ++c) {
      stats[c] = mean[c];
      stats[channels + c] = 1.0f / std::sqrt(var[c] + static_cast<float>(eps));
      stats[2 * channels + c] = var[c];
    }
  }
  return statistics;
}

inline std::tuple<Tensor, Tensor> norm_act(const Tensor& x_in, const OptionalTensor& weight, const OptionalTensor& bias,
                                           const OptionalTensor& running_mean, const OptionalTensor& running_var,
                                           const OptionalTensor& residual, const OptionalTensor& w, int64_t steps,
                                           bool training, double eps, at::IntArrayRef codes,
                                           at::ArrayRef<double> constants, bool /*residual_is_spikes*/) {
  const Tensor x = in_rows(x_in);
  const Tensor statistics = statistics_of(x, weight.has_value(), running_mean, running_var, training, eps);
  const float* stats = statistics.const_data_ptr<float>();
  std::vector<int64_t> shape = x.sizes().vec();
  shape[0] = steps;
  const Tensor y = empty_rows(shape, x.options());
  with_storage(x, [&](auto zero) {
    using S = decltype(zero);
    const Inputs<S> inputs(x, weight, bias, stats, residual, residual.has_value() ? residual->size(0) : 0, steps,
                           neuron_of(codes, constants, w));
    fused_forward(inputs.currents, static_cast<S*>(y.mutable_data_ptr()));
    return 0;
  });
  return {y, statistics};
}

// Gradients of x, residual, weight, bias and w; empty where there is no such input or, for the residual, where its
// gradient is not wanted. `residual` is dense or packed spikes; `residual_steps` is 0 where there is none.
inline std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> norm_act_backward(
    const Tensor& grad_in, const Tensor& x_in, const OptionalTensor& weight, const OptionalTensor& bias,
    const Tensor& statistics, const OptionalTensor& residual, const OptionalTensor& w, int64_t residual_steps,
    bool residual_grad, bool training, at::IntArrayRef codes, at::ArrayRef<double> constants) {
  const Tensor x = in_rows(x_in), grad = in_rows(grad_in);
  TORCH_CHECK(grad.scalar_type() == x.scalar_type(), "norm_act_backward: the gradient must have x's dtype");
  const int64_t channels = x.size(2);
  const auto parameters = x.options().dtype(at::kFloat);
  const float* stats = statistics.const_data_ptr<float>();
  std::vector<int64_t> residual_shape = x.sizes().vec();
  residual_shape[0] = residual_steps;
  const Tensor x_grad = empty_rows(x.sizes(), x.options());
  const Tensor r_grad = residual_grad ? empty_rows(residual_shape, x.options()) : at::zeros({0}, x.options());
  Tensor weight_grad = at::zeros({weight.has_value() ? channels : 0}, parameters);
  Tensor bias_grad = at::zeros({weight.has_value() ? channels : 0}, parameters);
  Tensor w_grad = w.has_value() ? at::zeros({}, parameters) : at::zeros({0}, parameters);
  with_storage(x, [&](auto zero) {
    using S = decltype(zero);
    const Inputs<S> inputs(x, weight, bias, stats, residual, residual_steps, grad.size(0),
                           neuron_of(codes, constants, w));
    S* dx = static_cast<S*>(x_grad.mutable_data_ptr());
    S* dr = residual_grad ? static_cast<S*>(r_grad.mutable_data_ptr()) : nullptr;
    // In training the norm's backward pass reads the current's gradient back: from the residual's where they agree.
    const bool shared = training && dr != nullptr && x.size(0) == residual_steps;
    Gradients<S> out;
    out.x = shared ? nullptr : dx;
    out.residual = dr;
    out.input_scale = training ? nullptr : &inputs.currents.scale;
    out.mean = Periodic::of(channels, [&](int64_t c) { return stats[c]; });
    out.norm = weight.has_value();
    out.decay = w.has_value();
    Backward<S>(inputs.currents, static_cast<const S*>(grad.const_data_ptr()), out).run();
    if (training) {
      const int64_t rows = inputs.currents.x_steps * inputs.currents.rows;
      std::vector<float> scale(inputs.currents.scale.from(0), inputs.currents.scale.from(0) + channels);
      norm_backward(shared ? dr : dx, inputs.currents.x, rows, channels, scale.data(), stats, out.sums.data(), dx);
    }
    if (weight.has_value()) {
      for (int64_t c = 0; c < channels; ++c) {
        weight_grad.mutable_data_ptr<float>()[c] = static_cast<float>(out.sums[channels + c] * stats[channels + c]);
        bias_grad.mutable_data_ptr<float>()[c] = static_cast<float>(out.sums[c]);
      }
    }
    if (w.has_value()) {
      const double q = inputs.currents.neuron.factor;
      *w_grad.mutable_data_ptr<float>() = static_cast<float>(out.decay_sum * q * (1.0 - q));
    }
    return 0;
  });
  return {x_grad, r_grad, weight_grad, bias_grad, w_grad};
}

}  // namespace spikedistill
