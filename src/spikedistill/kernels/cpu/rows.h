// Activations as rows of channels: [T, B, C] as it is, [T, B, C, H, W] in channels_last order of the folded
// [T*B, C, H, W].
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_strided.h>

#include <algorithm>
#include <new>
#include <optional>
#include <vector>

#include "lanes.h"

namespace spikedistill {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

// x with its memory in the order of rows: x itself or a copy.
inline Tensor in_rows(const Tensor& x) {
  if (x.dim() == 5) {
    return x.flatten(0, 1).contiguous(at::MemoryFormat::ChannelsLast).view(x.sizes());
  }
  return x.contiguous(x.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

// Strides of a tensor of this shape in the order of rows.
inline std::vector<int64_t> row_strides(at::IntArrayRef shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  const auto put = [&](size_t dim) {
    strides[dim] = stride;
    stride *= std::max<int64_t>(shape[dim], 1);
  };
  const size_t dims = shape.size();
  if (dims >= 4) {
    put(dims - 3);
    put(dims - 1);
    put(dims - 2);
    for (size_t dim = dims - 3; dim-- > 0;) put(dim);
  } else {
    for (size_t dim = dims; dim-- > 0;) put(dim);
  }
  return strides;
}

// An uninitialised tensor of this shape whose memory is in the order of rows.
inline Tensor empty_rows(at::IntArrayRef shape, const at::TensorOptions& options) {
  return at::empty_strided(shape, row_strides(shape), options);
}

// Floats that start on a cache line.
template <class T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <class U>
  Aligned(const Aligned<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* memory, size_t) { ::operator delete(memory, std::align_val_t{64}); }
  bool operator==(const Aligned&) const { return true; }
};

// A channel's values repeated, so that a chunk that starts at any channel reads kLanes of them in a row.
class Periodic {
 public:
  Periodic() = default;
  Periodic(int64_t channels, float value) : values_(channels + kLanes, value), channels_(channels) {}
  // value(c) for each channel c.
  template <class F>
  static Periodic of(int64_t channels, F value) {
    Periodic result(channels, 0.0f);
    for (int64_t c = 0; c < channels; ++c) result.values_[c] = value(c);
    for (int64_t c = channels; c < channels + kLanes; ++c) result.values_[c] = result.values_[c - channels];
    return result;
  }
  const float* from(int64_t channel) const { return values_.data() + channel; }
  float* from(int64_t channel) { return values_.data() + channel; }
  void add(int64_t channel, const Lanes& values) {
    float* to = from(channel);
    for_vectors([&](int k) SPIKEDISTILL_LAMBDA { store(to + k * kWidth, load(to + k * kWidth) + values[k]); });
  }
  // Adds what chunks have summed to totals[channel], in double precision.
  void fold_into(double* totals) const {
    for (int64_t begin = 0, size = values_.size(); begin < size; begin += channels_) {
      for (int64_t c = 0; c < std::min(channels_, size - begin); ++c) totals[c] += values_[begin + c];
    }
  }

 private:
  std::vector<float, Aligned<float>> values_;
  int64_t channels_ = 0;
};

// Rows in blocks that do not depend on the number of threads, so that sums over them do not either.
struct Blocks {
  int64_t rows, per_block, count;
  Blocks(int64_t rows, int64_t channels, int64_t steps) : rows(rows) {
    constexpr int64_t kElements = 16384, kMostBlocks = 128;
    const int64_t elements = std::max<int64_t>(rows * channels * steps, 1);
    const int64_t wanted = std::clamp<int64_t>(elements / kElements, 1, kMostBlocks);
    per_block = std::max<int64_t>((rows + wanted - 1) / wanted, 1);
    count = (rows + per_block - 1) / per_block;
  }
  // f(block, first row, last row + 1)
  template <class F>
  void run(F f) const {
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) {
        f(block, block * per_block, std::min(rows, (block + 1) * per_block));
      }
    });
  }
};

// f(first element, its channel, number of elements) for the chunks of rows [begin, end); the number is a constant where
// the chunk is full. What f reads in every chunk should be in local variables of its caller: a store of bfloat16 may be
// to anything that a reference leads to, and so it is read again after each.
template <class F>
SPIKEDISTILL_INLINE void for_chunks(int64_t begin, int64_t end, int64_t channels, const F& f) {
  const int64_t last = end * channels, ahead = kLanes % channels;
  int64_t channel = 0;
  for (int64_t i = begin * channels; i < last; i += kLanes) {
    with_length(static_cast<int>(std::min<int64_t>(kLanes, last - i)),
                [&](auto n) SPIKEDISTILL_LAMBDA { f(i, channel, n); });
    channel += ahead;
    if (channel >= channels) channel -= channels;
  }
}

}  // namespace spikedistill
