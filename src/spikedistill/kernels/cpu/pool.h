// Max pooling whose windows do not overlap; the place of the maximum is one byte.
#pragma once

#include "norm_act.h"

namespace spikedistill {

struct Windows {
  int64_t images, channels, height, width, size;
  int64_t out_height() const { return height / size; }
  int64_t out_width() const { return width / size; }
  // f(first input element of the window, first output element) for each window, in parallel
  template <class F>
  void run(F f) const {
    at::parallel_for(0, images * out_height(), 4, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t image = row / out_height(), y = row % out_height();
        for (int64_t x = 0; x < out_width(); ++x) {
          f(((image * height + y * size) * width + x * size) * channels, (row * out_width() + x) * channels);
        }
      }
    });
  }
  // Of the k-th pixel of each window, row by row, its distance from the first one's element.
  std::vector<int64_t> places() const {
    std::vector<int64_t> result;
    for (int64_t k = 0; k < size * size; ++k) result.push_back(((k / size) * width + k % size) * channels);
    return result;
  }
};

// f(first channel, number of channels, pixels of the window) for a pixel's channels, a vector at a time; the numbers are
// constants where the vector is full and the window of the usual size.
template <class F>
SPIKEDISTILL_INLINE void for_channels(const Windows& windows, const F& f) {
  const int64_t channels = windows.channels;
  int64_t c = 0;
  if (windows.size == 2) {
    for (; c + kWidth <= channels; c += kWidth) f(c, kWidth, std::integral_constant<int, 4>{});
  }
  for (; c < channels; c += kWidth) {
    f(c, static_cast<int>(std::min<int64_t>(kWidth, channels - c)), static_cast<int>(windows.size * windows.size));
  }
}

inline Windows windows_of(at::IntArrayRef shape, int64_t size) {
  TORCH_CHECK(shape.size() == 4 && size >= 1 && size <= 15, "max_pool2d: [N, C, H, W] and a window of 1 to 15");
  return {shape[0], shape[1], shape[2], shape[3], size};
}

// The maximum of each window and its place, row by row; the first of equal ones, and the last NaN, as in PyTorch.
inline std::tuple<Tensor, Tensor> max_pool2d(const Tensor& x_in, int64_t size) {
  const Windows windows = windows_of(x_in.sizes(), size);
  const Tensor x = in_rows(x_in);
  const std::vector<int64_t> shape = {windows.images, windows.channels, windows.out_height(), windows.out_width()};
  const Tensor y = empty_rows(shape, x.options()), places = empty_rows(shape, x.options().dtype(at::kByte));
  with_storage(x, [&](auto zero) {
    using S = decltype(zero);
    const S* from = static_cast<const S*>(x.const_data_ptr());
    S* to = static_cast<S*>(y.mutable_data_ptr());
    uint8_t* place = places.mutable_data_ptr<uint8_t>();
    const std::vector<int64_t> pixels = windows.places();
    windows.run([&](int64_t in, int64_t out) {
      const int64_t* const pixel = pixels.data();
      const S* const window = from + in;
      S* const maxima = to + out;
      uint8_t* const where = place + out;
      for_channels(windows, [&](int64_t c, int n, auto count) SPIKEDISTILL_LAMBDA {
        Vec best = load(window + c, n);
        IntVec best_place = {};
        for (int k = 1; k < count; ++k) {
          const Vec value = load(window + c + pixel[k], n);
          const Mask better = above(value, best) | not_a_number(value);
          best = select(better, value, best);
          best_place = select(better, IntVec{} + k, best_place);
        }
        store(maxima + c, best, n);
        const ByteVec bytes = low_bytes(best_place);
        std::memcpy(where + c, &bytes, n);
      });
    });
    return 0;
  });
  return {y, places};
}

inline Tensor max_pool2d_backward(const Tensor& grad_in, const Tensor& places, at::IntArrayRef shape, int64_t size) {
  const Windows windows = windows_of(shape, size);
  const Tensor grad = in_rows(grad_in);
  const Tensor x_grad = empty_rows(shape, grad.options());
  if (windows.height % size != 0 || windows.width % size != 0) x_grad.zero_();
  with_storage(grad, [&](auto zero) {
    using S = decltype(zero);
    const S* from = static_cast<const S*>(grad.const_data_ptr());
    S* to = static_cast<S*>(x_grad.mutable_data_ptr());
    const uint8_t* place = places.const_data_ptr<uint8_t>();
    const std::vector<int64_t> pixels = windows.places();
    windows.run([&](int64_t in, int64_t out) {
      const int64_t* const pixel = pixels.data();
      const S* const maxima = from + out;
      S* const window = to + in;
      const uint8_t* const where = place + out;
      for_channels(windows, [&](int64_t c, int n, auto count) SPIKEDISTILL_LAMBDA {
        ByteVec bytes = {};
        std::memcpy(&bytes, where + c, n);
        const IntVec best_place = __builtin_convertvector(bytes, IntVec);
        const Vec value = load(maxima + c, n);
        for (int k = 0; k < count; ++k) store(window + c + pixel[k], best_place == k ? value : splat(0.0f), n);
      });
    });
    return 0;
  });
  return x_grad;
}

}  // namespace spikedistill
