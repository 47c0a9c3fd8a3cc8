// Spikes as bits: one per element, in the order of rows.
#pragma once

#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>

#include <atomic>

#include "norm_act.h"

namespace spikedistill {

constexpr int64_t kPadding = 16;  // bytes after the last, so that 9 can be read anywhere

// Writes up to 64 elements as bits; false where one is neither 0 nor 1.
template <class S>
inline bool pack_chunk(const S* x, int n, uint8_t* bits) {
  constexpr S one = kOne<S>;
#if defined(__AVX512BW__)
  if constexpr (std::is_same_v<S, uint16_t>) {
    if (n == kLanes) {
      bool binary = true;
      for (int half = 0; half < 2; ++half) {
        const __m512i v = read<__m512i>(x + 32 * half);
        const __mmask32 ones = _mm512_cmpeq_epi16_mask(v, _mm512_set1_epi16(one));
        binary &= (ones | _mm512_testn_epi16_mask(v, v)) == 0xffffffffu;
        std::memcpy(bits + 4 * half, &ones, 4);
      }
      return binary;
    }
  }
#endif
  alignas(64) uint8_t spike[kLanes] = {}, wrong[kLanes] = {};
  with_length(n, [&](auto length) {
#pragma omp simd
    for (int l = 0; l < length; ++l) {
      spike[l] = x[l] == one ? 1 : 0;
      wrong[l] = (x[l] == one || x[l] == S(0)) ? 0 : 1;
    }
  });
  uint64_t any_wrong = 0;
  for (int byte = 0; byte < (n + 7) / 8; ++byte) {
    uint64_t eight, wrong_eight;
    std::memcpy(&eight, spike + 8 * byte, 8);
    std::memcpy(&wrong_eight, wrong + 8 * byte, 8);
    any_wrong |= wrong_eight;
    bits[byte] = static_cast<uint8_t>((eight * 0x0102040810204080ull) >> 56);  // each byte's lowest bit
  }
  return any_wrong == 0;
}

inline Tensor pack_spikes(const Tensor& x_in) {
  const Tensor x = x_in.dim() == 2 ? x_in.contiguous() : in_rows(x_in);
  const int64_t n = x.numel();
  const Tensor bits = at::empty({(n + 7) / 8 + kPadding}, x.options().dtype(at::kByte));
  uint8_t* to = bits.mutable_data_ptr<uint8_t>();
  std::atomic<bool> binary = true;
  with_storage(x, [&](auto zero) {
    using S = decltype(zero);
    const S* from = static_cast<const S*>(x.const_data_ptr());
    at::parallel_for(0, (n + kLanes - 1) / kLanes, 512, [&](int64_t begin, int64_t end) {
      bool all = true;
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int length = static_cast<int>(std::min<int64_t>(kLanes, n - chunk * kLanes));
        all &= pack_chunk(from + chunk * kLanes, length, to + chunk * 8);
      }
      if (!all) binary = false;
    });
    return 0;
  });
  std::memset(to + (n + 7) / 8, 0, kPadding);
  TORCH_CHECK_VALUE(binary, "Spikes must be 0 or 1; another value was given where the caller promised spikes.");
  return bits;
}

inline Tensor unpack_spikes(const Tensor& bits, at::IntArrayRef shape, at::ScalarType dtype) {
  const Tensor x = empty_rows(shape, bits.options().dtype(dtype));
  const int64_t n = x.numel();
  TORCH_CHECK(bits.numel() == (n + 7) / 8 + kPadding, "unpack_spikes: the bits are not of this shape");
  const uint8_t* from = bits.const_data_ptr<uint8_t>();
  with_storage(x, [&](auto zero) {
    using S = decltype(zero);
    S* to = static_cast<S*>(x.mutable_data_ptr());
    at::parallel_for(0, (n + kLanes - 1) / kLanes, 512, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        with_length(static_cast<int>(std::min<int64_t>(kLanes, n - chunk * kLanes)), [&](auto length) {
          for_vectors([&](int k) SPIKEDISTILL_LAMBDA {
            const int64_t at = chunk * kLanes + k * kWidth;
            store_spikes(to + at, read_bits(from, at), length - k * kWidth);
          });
        });
      }
    });
    return 0;
  });
  return x;
}

}  // namespace spikedistill
