// Chunks of floats that a compiler turns into vector instructions: plain loops over a fixed number of lanes.
//
// One source for AVX-512, AVX2 and everything else; build.py chooses the flags. Activations are fp32 or bf16 (stored as
// uint16_t) in memory and always fp32 in a chunk. -ffp-contract=off keeps the arithmetic that of the
// PyTorch definition.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace spikedistill {

constexpr int kLanes = 64;

struct alignas(64) Lanes {
  float at[kLanes];
  float& operator[](int l) { return at[l]; }
  const float& operator[](int l) const { return at[l]; }
};

inline float widen(float x) { return x; }
inline float widen(uint16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); }

template <class S>
S narrow(float x);
template <>
inline float narrow<float>(float x) {
  return x;
}
// Round to nearest even, as PyTorch does.
template <>
inline uint16_t narrow<uint16_t>(float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>(x != x ? 0x7fc0u : rounded);
}

// f(l) for the first n lanes; vectorised where the chunk is full.
template <class F>
inline __attribute__((always_inline)) void for_lanes(int n, F f) {
  if (n == kLanes) {
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) f(l);
  } else {
    for (int l = 0; l < n; ++l) f(l);
  }
}

template <class F>
inline __attribute__((always_inline)) void for_all_lanes(F f) {
#pragma omp simd
  for (int l = 0; l < kLanes; ++l) f(l);
}

inline void fill(Lanes& lanes, float value) {
  for_all_lanes([&](int l) { lanes[l] = value; });
}

// 64 bits from bit `offset` on, as 0.0 and 1.0; reads up to 9 bytes (packed spikes are padded).
inline void load_bits(const uint8_t* bits, int64_t offset, Lanes& out) {
  uint64_t word;
  std::memcpy(&word, bits + offset / 8, 8);
  const int shift = static_cast<int>(offset % 8);
  if (shift != 0) word = (word >> shift) | (static_cast<uint64_t>(bits[offset / 8 + 8]) << (64 - shift));
  const uint32_t low = static_cast<uint32_t>(word), high = static_cast<uint32_t>(word >> 32);
#pragma omp simd
  for (int l = 0; l < 32; ++l) out[l] = static_cast<float>(static_cast<int32_t>((low >> l) & 1u));
#pragma omp simd
  for (int l = 0; l < 32; ++l) out[32 + l] = static_cast<float>(static_cast<int32_t>((high >> l) & 1u));
}

// a * b + c, rounded once where the machine can; for gradients only, whose last bit is not part of the definition.
inline __attribute__((always_inline)) float multiply_add(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

// exp(x) for x <= 0, to about 2e-7 relative, above 0: 2^n times 1 + r + r^2 p(r), p fitted for the
// least relative error.
inline __attribute__((always_inline)) float exp_of_negative(float x) {
  x = x < -86.0f ? -86.0f : x;
  const float shifted = multiply_add(x, 1.44269504088896341f, 12582912.0f);  // n in the low bits
  const float n = shifted - 12582912.0f;
  const float r = multiply_add(n, 2.12194440e-4f, multiply_add(n, -0.693359375f, x));
  float p = multiply_add(8.3125269e-3f, r, 4.18901162e-2f);
  p = multiply_add(p, r, 1.666711445e-1f);
  p = multiply_add(p, r, 4.999923176e-1f);
  p = multiply_add(p * r, r, r) + 1.0f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(p) + (std::bit_cast<uint32_t>(shifted) << 23));
}

}  // namespace spikedistill
