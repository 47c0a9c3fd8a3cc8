// Batch norm's statistics, and its backward pass once the gradient of its output is known.
#pragma once

#include <cmath>

#include "rows.h"

namespace spikedistill {

// Mean and sum of squared distances from it, per channel, of one block of rows.
template <class S>
void block_statistics(const S* x, int64_t begin, int64_t end, int64_t channels, double* mean, double* m2) {
  // Sums are taken around the mean of a few rows, so that squares do not cancel.
  const int64_t probe = std::min<int64_t>(16, end - begin);
  std::vector<float> probed(channels, 0.0f);
  for (int64_t row = begin; row < begin + probe; ++row) {
    for (int64_t c = 0; c < channels; ++c) probed[c] += widen(x[row * channels + c]);
  }
  const auto shift = Periodic::of(channels, [&](int64_t c) { return probed[c] / static_cast<float>(probe); });
  Periodic sums(channels, 0.0f), squares(channels, 0.0f);
  // Four rows at a time, a quarter of the block apart, which lie in the same channels.
  constexpr int kRows = 4;
  const int64_t quarter = (end - begin) / kRows, apart = quarter * channels;
  const float* shifts = shift.from(0);
  const auto add = [&](int64_t i, int64_t channel, int n, auto rows) SPIKEDISTILL_LAMBDA {
    const S* from = x + i;
    Lanes plain, square;
    for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
      const int at = k * kWidth;
      const Vec centre = first(load(shifts + channel + at), n - at);
      Vec sum = {}, square_sum = {};
#pragma GCC unroll 4
      for (int row = 0; row < rows; ++row) {
        const Vec d = load(from + row * apart + at, n - at) - centre;
        sum += d;
        square_sum = multiply_add(d, d, square_sum);
      }
      plain[k] = sum;
      square[k] = square_sum;
    });
    sums.add(channel, plain);
    squares.add(channel, square);
  };
  for_chunks(begin, begin + quarter, channels, [&](int64_t i, int64_t channel, auto n) SPIKEDISTILL_LAMBDA {
    add(i, channel, n, std::integral_constant<int, kRows>{});
  });
  for_chunks(begin + kRows * quarter, end, channels, [&](int64_t i, int64_t channel, auto n) SPIKEDISTILL_LAMBDA {
    add(i, channel, n, std::integral_constant<int, 1>{});
  });
  std::vector<double> total(channels, 0.0);
  sums.fold_into(total.data());
  squares.fold_into(m2);
  const double rows = static_cast<double>(end - begin);
  for (int64_t c = 0; c < channels; ++c) {
    mean[c] = *shift.from(c) + total[c] / rows;
    m2[c] = std::max(m2[c] - total[c] * total[c] / rows, 0.0);
  }
}

// Fills statistics [3, C]: mean, 1 / sqrt(variance + eps), and the unbiased variance that running statistics take.
template <class S>
void batch_statistics(const S* x, int64_t rows, int64_t channels, double eps, float* statistics) {
  const Blocks blocks(rows, channels, 1);
  std::vector<double> means(blocks.count * channels), m2s(blocks.count * channels);
  blocks.run([&](int64_t block, int64_t begin, int64_t end) {
    block_statistics(x, begin, end, channels, &means[block * channels], &m2s[block * channels]);
  });
  for (int64_t c = 0; c < channels; ++c) {
    double mean = means[c], m2 = m2s[c], seen = static_cast<double>(std::min(blocks.per_block, rows));
    for (int64_t block = 1; block < blocks.count; ++block) {  // Chan et al.'s merge
      const int64_t begin = block * blocks.per_block;
      const double more = static_cast<double>(std::min(rows, begin + blocks.per_block) - begin);
      const double apart = means[block * channels + c] - mean;
      mean += apart * more / (seen + more);
      m2 += m2s[block * channels + c] + apart * apart * seen * more / (seen + more);
      seen += more;
    }
    statistics[c] = static_cast<float>(mean);
    statistics[channels + c] = static_cast<float>(1.0 / std::sqrt(m2 / seen + eps));
    statistics[2 * channels + c] = static_cast<float>(m2 / (seen - 1.0));
  }
}

// dx = scale * (g - mean(g) - (x - mean) * invstd^2 * mean(g * (x - mean))), with g the gradient of the norm's output.
// grad_sums [2, C] are the sums of g and g * (x - mean). dx may be g itself.
template <class S>
void norm_backward(const S* g, const S* x, int64_t rows, int64_t channels, const float* scale, const float* statistics,
                   const double* grad_sums, S* dx) {
  const double n = static_cast<double>(rows);
  const auto scales = Periodic::of(channels, [&](int64_t c) { return scale[c]; });
  const auto means = Periodic::of(channels, [&](int64_t c) { return statistics[c]; });
  const auto offsets = Periodic::of(channels, [&](int64_t c) {
    return static_cast<float>(-scale[c] * grad_sums[c] / n);
  });
  const auto slopes = Periodic::of(channels, [&](int64_t c) {
    const double invstd = statistics[channels + c];
    return static_cast<float>(-scale[c] * invstd * invstd * grad_sums[channels + c] / n);
  });
  Blocks(rows, channels, 1).run([&](int64_t, int64_t begin, int64_t end) {
    const float *a = scales.from(0), *m = means.from(0), *o = offsets.from(0), *s = slopes.from(0);
    const S *grad = g, *inputs = x;
    S* const to = dx;
    for_chunks(begin, end, channels, [&](int64_t i, int64_t channel, auto n) SPIKEDISTILL_LAMBDA {
      for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
        const int left = n - k * kWidth;
        const int64_t at = i + k * kWidth, c = channel + k * kWidth;
        const Vec rest = multiply_add(load(inputs + at, left) - load(m + c), load(s + c), load(o + c));
        store(to + at, multiply_add(load(grad + at, left), load(a + c), rest), left);
      });
    });
  });
}

}  // namespace spikedistill
