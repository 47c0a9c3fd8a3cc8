// Synapses; the backward pass of convolutions, with products of matrices where oneDNN is slow.
#pragma once

#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>

#include <array>
#include <tuple>

#include "rows.h"

namespace spikedistill {

struct Geometry {
  at::IntArrayRef stride, padding, dilation;
};

inline Tensor conv2d(const Tensor& x, const Tensor& weight, const OptionalTensor& bias, at::IntArrayRef stride,
                     at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
  return at::convolution(in_rows(x), weight, bias, stride, padding, dilation, false, {0, 0}, groups)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

inline Tensor spiking_linear(const Tensor& x, const Tensor& weight, const OptionalTensor& bias) {
  return at::linear(x, weight, bias);
}

// Along one axis, the outputs that read the input at `tap` of the kernel, and where they read it.
struct Reach {
  int64_t outputs_begin, outputs_end, inputs_begin, inputs_end, stride;

  Reach(int64_t inputs, int64_t outputs, int64_t tap, const Geometry& geometry, int axis)
      : stride(geometry.stride[axis]) {
    const int64_t offset = tap * geometry.dilation[axis] - geometry.padding[axis];  // input of output 0
    outputs_begin = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    outputs_end = std::min(outputs, inputs - 1 - offset < 0 ? 0 : (inputs - 1 - offset) / stride + 1);
    inputs_begin = outputs_begin * stride + offset;
    inputs_end = (outputs_end - 1) * stride + offset + 1;
  }
  bool empty() const { return outputs_begin >= outputs_end; }
};

// [N, C, H, W] as [N, H, W, C].
inline Tensor channels_at_end(const Tensor& x) { return x.permute({0, 2, 3, 1}); }

// The weight's gradient, a product of matrices for each tap of the kernel: of the outputs whose input is not padding.
inline Tensor weight_gradient_by_taps(const Tensor& grad, const Tensor& x, at::IntArrayRef shape,
                                      const Geometry& geometry) {
  const Tensor result = empty_rows(shape, x.options());
  const Tensor from = channels_at_end(x), to = channels_at_end(grad);
  for (int64_t row = 0; row < shape[2]; ++row) {
    const Reach down(x.size(2), grad.size(2), row, geometry, 0);
    for (int64_t column = 0; column < shape[3]; ++column) {
      const Reach across(x.size(3), grad.size(3), column, geometry, 1);
      const Tensor place = result.select(3, column).select(2, row);
      if (down.empty() || across.empty()) {
        place.zero_();
        continue;
      }
      const Tensor outputs = to.slice(1, down.outputs_begin, down.outputs_end)
                                 .slice(2, across.outputs_begin, across.outputs_end)
                                 .reshape({-1, shape[0]});
      const Tensor inputs = from.slice(1, down.inputs_begin, down.inputs_end, down.stride)
                                .slice(2, across.inputs_begin, across.inputs_end, across.stride)
                                .reshape({-1, shape[1]});
      place.copy_(at::mm(outputs.t(), inputs));
    }
  }
  return result;
}

// The input's gradient of a kernel of one pixel: a product of matrices, spread over the pixels that were read.
inline Tensor input_gradient_of_pixels(const Tensor& grad, const Tensor& weight, at::IntArrayRef shape,
                                       const Geometry& geometry) {
  const Tensor result = empty_rows(shape, grad.options()).zero_();
  const Tensor read = channels_at_end(result)
                          .slice(1, 0, shape[2], geometry.stride[0])
                          .slice(2, 0, shape[3], geometry.stride[1]);
  const Tensor rows = channels_at_end(grad).reshape({-1, grad.size(1)});
  read.copy_(at::mm(rows, weight.reshape({weight.size(0), weight.size(1)})).view(read.sizes()));
  return result;
}

// x in the order of rows, with that order's strides also where a size is 1 and they mean nothing.
inline Tensor with_row_strides(const Tensor& x) {
  return in_rows(x).as_strided(x.sizes(), row_strides(x.sizes()));
}

// Gradients of x, weight and bias; empty where `wanted` says no.
//
// bfloat16 alone: oneDNN's convolutions in float32 are faster than products of matrices. Measured on a Zen 5 with
// AVX-512: from 256 channels on and up to 4 x 4 outputs the products take half of oneDNN's time.
inline std::tuple<Tensor, Tensor, Tensor> conv2d_backward(const Tensor& grad_in, const Tensor& x_in,
                                                          const Tensor& weight, at::IntArrayRef stride,
                                                          at::IntArrayRef padding, at::IntArrayRef dilation,
                                                          int64_t groups, std::array<bool, 3> wanted) {
  const Tensor grad = in_rows(grad_in), x = in_rows(x_in);
  const Geometry geometry{stride, padding, dilation};
  const int64_t taps = weight.size(2) * weight.size(3);
  const bool plain = groups == 1 && x.scalar_type() == at::kBFloat16 && x.numel() > 0;
  const bool by_taps = plain && wanted[1] && taps > 1 && grad.size(2) * grad.size(3) <= 16 &&
                       std::min(weight.size(0), weight.size(1)) >= 256;
  const bool of_pixels = plain && wanted[0] && taps == 1 && (stride[0] > 1 || stride[1] > 1) && padding[0] == 0 &&
                         padding[1] == 0;
  const std::array<bool, 3> left = {wanted[0] && !of_pixels, wanted[1] && !by_taps, wanted[2]};
  const int64_t outputs = weight.size(0);
  std::tuple<Tensor, Tensor, Tensor> grads;
  if (left[0] || left[1] || left[2]) {
    grads = at::convolution_backward(grad, x, weight, at::IntArrayRef(&outputs, 1), stride, padding, dilation, false,
                                     {0, 0}, groups, left);
  }
  auto& [x_grad, weight_grad, bias_grad] = grads;
  if (of_pixels) x_grad = input_gradient_of_pixels(grad, weight, x.sizes(), geometry);
  if (by_taps) weight_grad = weight_gradient_by_taps(grad, x, weight.sizes(), geometry);
  const auto none = [&] { return at::empty({0}, x.options()); };
  return {wanted[0] ? with_row_strides(x_grad) : none(), wanted[1] ? with_row_strides(weight_grad) : none(),
          wanted[2] ? bias_grad : none()};
}

}  // namespace spikedistill
