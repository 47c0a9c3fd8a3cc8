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
  for_chunks(begin, end, channels, [&](int64_t i, int64_t channel, auto n) {
    const float* shifts = shift.from(channel);
    Lanes d, square;
    for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
      const int at = k * kWidth;
      d[k] = load(x + i + at, n - at) - first(load(shifts + at), n - at);
      square[k] = d[k] * d[k];
    });
    sums.add(channel, d);
    squares.add(channel, square);
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
    for_chunks(begin, end, channels, [&](int64_t i, int64_t channel, auto n) {
      const float *a = scales.from(channel), *m = means.from(channel);
      const float *o = offsets.from(channel), *s = slopes.from(channel);
      for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
        const int at = k * kWidth;
        const Vec centred = load(x + i + at, n - at) - load(m + at);
        const Vec rest = multiply_add(centred, load(s + at), load(o + at));
        store(dx + i + at, multiply_add(load(g + i + at, n - at), load(a + at), rest), n - at);
      });
    });
  });
}

}  // namespace spikedistill
