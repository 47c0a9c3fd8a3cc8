// Chunks of floats in vectors of the compiler's own (GCC and Clang), which it splits where the machine's are shorter.
//
// One source for AVX-512, AVX2 and everything else; build.py chooses the flags. Activations are fp32 or bf16 (stored as
// uint16_t) in memory and always fp32 in a vector. -ffp-contract=off keeps the arithmetic that of the
// PyTorch definition.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define SPIKEDISTILL_INLINE inline __attribute__((always_inline))
#define SPIKEDISTILL_LAMBDA __attribute__((always_inline))

namespace spikedistill {

constexpr int kWidth = 16;  // floats of a vector
constexpr int kVectors = 4;
constexpr int kLanes = kWidth * kVectors;  // elements of a chunk

typedef float Vec __attribute__((vector_size(4 * kWidth)));
typedef int32_t IntVec __attribute__((vector_size(4 * kWidth)));    // also the result of a comparison
typedef uint32_t WordVec __attribute__((vector_size(4 * kWidth)));
typedef uint16_t HalfVec __attribute__((vector_size(2 * kWidth)));
typedef uint8_t ByteVec __attribute__((vector_size(kWidth)));

struct Lanes {
  Vec at[kVectors];
  Vec& operator[](int k) { return at[k]; }
  const Vec& operator[](int k) const { return at[k]; }
};

// f(k) for the vectors of a chunk.
template <class F>
SPIKEDISTILL_INLINE void for_vectors(F f) {
#pragma GCC unroll 4
  for (int k = 0; k < kVectors; ++k) f(k);
}

SPIKEDISTILL_INLINE Vec splat(float x) { return Vec{} + x; }

inline void fill(Lanes& lanes, float value) {
  for_vectors([&](int k) { lanes[k] = splat(value); });
}

inline float widen(float x) { return x; }
inline float widen(uint16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); }

template <class S>
constexpr S kOne = std::is_same_v<S, float> ? S(1) : S(0x3f80);  // in memory

// From memory, where a vector may start anywhere.
template <class V, class T>
SPIKEDISTILL_INLINE V read(const T* from) {
  V v;
  std::memcpy(&v, from, sizeof(V));
  return v;
}

SPIKEDISTILL_INLINE Vec load(const float* from) { return read<Vec>(from); }
SPIKEDISTILL_INLINE Vec load(const uint16_t* from) {
  return reinterpret_cast<Vec>(__builtin_convertvector(read<HalfVec>(from), WordVec) << 16);
}

SPIKEDISTILL_INLINE void store(float* to, Vec v) { std::memcpy(to, &v, sizeof(v)); }
// Round to nearest even, as PyTorch does.
SPIKEDISTILL_INLINE void store(uint16_t* to, Vec v) {
  const WordVec u = reinterpret_cast<WordVec>(v);
  WordVec rounded = (u + (0x7fffu + ((u >> 16) & 1u))) >> 16;
  rounded = v == v ? rounded : WordVec{} + 0x7fc0u;
  const HalfVec half = __builtin_convertvector(rounded, HalfVec);
  std::memcpy(to, &half, sizeof(half));
}

// 1 where `which` holds, else 0.
SPIKEDISTILL_INLINE void store_spikes(float* to, IntVec which) { store(to, which ? splat(1.0f) : splat(0.0f)); }
SPIKEDISTILL_INLINE void store_spikes(uint16_t* to, IntVec which) {
  const WordVec ones = which ? WordVec{} + 0x3f80u : WordVec{};
  const HalfVec half = __builtin_convertvector(ones, HalfVec);
  std::memcpy(to, &half, sizeof(half));
}

// The same for the first `n` elements of a vector, 0 and nothing beyond; `n` is known to the compiler in full chunks.
template <class S>
SPIKEDISTILL_INLINE Vec load(const S* from, int n) {
  if (n >= kWidth) return load(from);
  S part[kWidth] = {};
  for (int l = 0; l < n; ++l) part[l] = from[l];
  return load(part);
}

// v, and 0 from its n-th element on.
SPIKEDISTILL_INLINE Vec first(Vec v, int n) {
  if (n >= kWidth) return v;
  for (int l = std::max(n, 0); l < kWidth; ++l) v[l] = 0.0f;
  return v;
}

// Writes through `write(to)`, which stores a whole vector.
template <class S, class F>
SPIKEDISTILL_INLINE void store_first(S* to, int n, F write) {
  if (n >= kWidth) return write(to);
  S part[kWidth];
  write(part);
  for (int l = 0; l < n; ++l) to[l] = part[l];
}

template <class S>
SPIKEDISTILL_INLINE void store(S* to, Vec v, int n) {
  store_first(to, n, [&](S* place) SPIKEDISTILL_LAMBDA { store(place, v); });
}

template <class S>
SPIKEDISTILL_INLINE void store_spikes(S* to, IntVec which, int n) {
  store_first(to, n, [&](S* place) SPIKEDISTILL_LAMBDA { store_spikes(place, which); });
}

// f(n) with n as a constant where the chunk is full.
template <class F>
SPIKEDISTILL_INLINE void with_length(int n, F f) {
  if (n == kLanes) {
    f(std::integral_constant<int, kLanes>{});
  } else {
    f(n);
  }
}

// 64 bits from bit `offset` on; reads up to 9 bytes (packed spikes are padded).
inline uint64_t read_bits(const uint8_t* bits, int64_t offset) {
  uint64_t word;
  std::memcpy(&word, bits + offset / 8, 8);
  const int shift = static_cast<int>(offset % 8);
  if (shift != 0) word = (word >> shift) | (static_cast<uint64_t>(bits[offset / 8 + 8]) << (64 - shift));
  return word;
}

// Which of the k-th sixteen of 64 bits are set.
SPIKEDISTILL_INLINE IntVec which_bits(uint64_t bits, int k) {
  constexpr WordVec kBit = {1 << 0, 1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                            1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
  const WordVec sixteen = WordVec{} + static_cast<uint32_t>((bits >> (kWidth * k)) & 0xffffu);
  return (sixteen & kBit) != 0u;
}

// a * b + c, rounded once where the machine can; for gradients only, whose last bit is not part of the definition.
SPIKEDISTILL_INLINE Vec multiply_add(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  const auto* x = reinterpret_cast<const __m256*>(&a);
  const auto* y = reinterpret_cast<const __m256*>(&b);
  const auto* z = reinterpret_cast<const __m256*>(&c);
  Vec result;
  auto* to = reinterpret_cast<__m256*>(&result);
  to[0] = _mm256_fmadd_ps(x[0], y[0], z[0]);
  to[1] = _mm256_fmadd_ps(x[1], y[1], z[1]);
  return result;
#else
  return a * b + c;
#endif
}

// 1 / x to about 2e-7 relative; x is finite, not 0 and normal.
SPIKEDISTILL_INLINE Vec reciprocal(Vec x) {
#if defined(__AVX512F__)
  const Vec r = _mm512_rcp14_ps(x);
  return multiply_add(r, multiply_add(-r, x, splat(1.0f)), r);
#else
  return 1.0f / x;
#endif
}

SPIKEDISTILL_INLINE Vec absolute(Vec x) {
  return reinterpret_cast<Vec>(reinterpret_cast<WordVec>(x) & 0x7fffffffu);
}

// exp(x) for x <= 0, to about 2e-7 relative, above 0: 2^n times 1 + r + r^2 p(r), p fitted for the
// least relative error.
SPIKEDISTILL_INLINE Vec exp_of_negative(Vec x) {
  x = x < -86.0f ? splat(-86.0f) : x;
  const Vec shifted = multiply_add(x, splat(1.44269504088896341f), splat(12582912.0f));  // n in the low bits
  const Vec n = shifted - 12582912.0f;
  const Vec r = multiply_add(n, splat(2.12194440e-4f), multiply_add(n, splat(-0.693359375f), x));
  Vec p = multiply_add(splat(8.3125269e-3f), r, splat(4.18901162e-2f));
  p = multiply_add(p, r, splat(1.666711445e-1f));
  p = multiply_add(p, r, splat(4.999923176e-1f));
  p = multiply_add(p * r, r, r) + 1.0f;
  return reinterpret_cast<Vec>(reinterpret_cast<WordVec>(p) + (reinterpret_cast<WordVec>(shifted) << 23));
}

}  // namespace spikedistill
