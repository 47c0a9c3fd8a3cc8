// Chunks of floats in vectors of the compiler's own (GCC and Clang), which it splits where the machine's are shorter.
//
// One source for AVX-512, AVX2 and everything else; build.py chooses the flags. Activations are fp32 or bf16 (stored as
// uint16_t) in memory and always fp32 in a vector. -ffp-contract=off keeps the neurons' arithmetic that of the PyTorch
// definition.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#define SPIKEDISTILL_INLINE inline __attribute__((always_inline))
#define SPIKEDISTILL_LAMBDA __attribute__((always_inline))

namespace spikedistill {

constexpr int kWidth = 16;  // floats of a vector
constexpr int kVectors = 4;
constexpr int kLanes = kWidth * kVectors;  // elements of a chunk

typedef float Vec __attribute__((vector_size(4 * kWidth)));
typedef int32_t IntVec __attribute__((vector_size(4 * kWidth)));
typedef uint32_t WordVec __attribute__((vector_size(4 * kWidth)));
typedef uint16_t HalfVec __attribute__((vector_size(2 * kWidth)));
typedef uint8_t ByteVec __attribute__((vector_size(kWidth)));

// Which elements of a vector: what a comparison gives.
#if defined(__AVX512F__)
typedef __mmask16 Mask;
SPIKEDISTILL_INLINE Mask at_least(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
SPIKEDISTILL_INLINE Mask above(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
SPIKEDISTILL_INLINE Mask not_a_number(Vec a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
SPIKEDISTILL_INLINE Vec select(Mask which, Vec yes, Vec no) { return _mm512_mask_blend_ps(which, no, yes); }
SPIKEDISTILL_INLINE IntVec select(Mask which, IntVec yes, IntVec no) {
  return reinterpret_cast<IntVec>(
      _mm512_mask_blend_epi32(which, reinterpret_cast<__m512i>(no), reinterpret_cast<__m512i>(yes)));
}
SPIKEDISTILL_INLINE ByteVec low_bytes(IntVec x) {
  return reinterpret_cast<ByteVec>(_mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(x)));
}
#else
typedef IntVec Mask;
SPIKEDISTILL_INLINE Mask at_least(Vec a, Vec b) { return a >= b; }
SPIKEDISTILL_INLINE Mask above(Vec a, Vec b) { return a > b; }
SPIKEDISTILL_INLINE Mask not_a_number(Vec a) { return a != a; }
SPIKEDISTILL_INLINE Vec select(Mask which, Vec yes, Vec no) { return which ? yes : no; }
SPIKEDISTILL_INLINE IntVec select(Mask which, IntVec yes, IntVec no) { return which ? yes : no; }
SPIKEDISTILL_INLINE ByteVec low_bytes(IntVec x) { return __builtin_convertvector(x, ByteVec); }
#endif

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

// f(first) for the groups of vectors of a chunk, whose neurons take their steps side by side: one vector alone waits for
// its own results, and more than two do not fit into the registers.
constexpr int kGroup = 2;
template <class F>
SPIKEDISTILL_INLINE void for_groups(F f) {
#pragma GCC unroll 2
  for (int first = 0; first < kVectors; first += kGroup) f(first);
}
// f(k) for the vectors of a group.
template <class F>
SPIKEDISTILL_INLINE void for_members(F f) {
#pragma GCC unroll 2
  for (int k = 0; k < kGroup; ++k) f(k);
}

SPIKEDISTILL_INLINE Vec splat(float x) { return x - Vec{}; }  // 0 + x would not be x for -0

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
#if defined(__AVX512F__)
  return reinterpret_cast<Vec>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(read<__m256i>(from)), 16));
#else
  return reinterpret_cast<Vec>(__builtin_convertvector(read<HalfVec>(from), WordVec) << 16);
#endif
}

SPIKEDISTILL_INLINE void store(float* to, Vec v) { std::memcpy(to, &v, sizeof(v)); }
// Round to nearest even, as PyTorch does. The instruction for it takes numbers below 1.2e-38 for 0.
SPIKEDISTILL_INLINE void store(uint16_t* to, Vec v) {
#if defined(__AVX512BF16__)
  const __m256bh rounded = _mm512_cvtneps_pbh(v);
  std::memcpy(to, &rounded, sizeof(rounded));
#else
  const WordVec u = reinterpret_cast<WordVec>(v);
  WordVec rounded = (u + (0x7fffu + ((u >> 16) & 1u))) >> 16;
  rounded = v == v ? rounded : WordVec{} + 0x7fc0u;
  const HalfVec half = __builtin_convertvector(rounded, HalfVec);
  std::memcpy(to, &half, sizeof(half));
#endif
}

// 1 where `which` holds, else 0.
SPIKEDISTILL_INLINE void store_spikes(float* to, Mask which) { store(to, select(which, splat(1.0f), splat(0.0f))); }
SPIKEDISTILL_INLINE void store_spikes(uint16_t* to, Mask which) {
#if defined(__AVX512F__)
  const __m256i half = _mm256_maskz_set1_epi16(which, 0x3f80);
#else
  const HalfVec half = __builtin_convertvector(which ? WordVec{} + 0x3f80u : WordVec{}, HalfVec);
#endif
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
SPIKEDISTILL_INLINE void store_spikes(S* to, Mask which, int n) {
  store_first(to, n, [&](S* place) SPIKEDISTILL_LAMBDA { store_spikes(place, which); });
}

// f(n) with n as a constant where the chunk is full.
template <class F>
SPIKEDISTILL_INLINE void with_length(int n, const F& f) {
  if (n == kLanes) {
    f(std::integral_constant<int, kLanes>{});
  } else {
    f(n);
  }
}

// kWidth bits from bit `offset` on; reads 4 bytes (packed spikes are padded).
SPIKEDISTILL_INLINE Mask read_bits(const uint8_t* bits, int64_t offset) {
  uint32_t word;
  std::memcpy(&word, bits + offset / 8, 4);
  word >>= offset % 8;
#if defined(__AVX512F__)
  return static_cast<Mask>(word);
#else
  constexpr WordVec kBit = {1 << 0, 1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                            1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
  return ((WordVec{} + word) & kBit) != 0u;
#endif
}

// a * b + c, rounded once where the machine can; for norms and gradients, whose last bit is not part of the definition.
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

// 1 / x to about 2e-7 relative if `kFine`, else to 7e-5; x is finite, not 0 and normal.
template <bool kFine>
SPIKEDISTILL_INLINE Vec reciprocal(Vec x) {
#if defined(__AVX512F__)
  const Vec r = _mm512_rcp14_ps(x);
  return kFine ? multiply_add(r, multiply_add(-r, x, splat(1.0f)), r) : r;
#else
  return 1.0f / x;
#endif
}

SPIKEDISTILL_INLINE Vec absolute(Vec x) {
  return reinterpret_cast<Vec>(reinterpret_cast<WordVec>(x) & 0x7fffffffu);
}

// 2^x for x <= 0: 2^n times a polynomial that was fitted for the least relative error, 2e-7 if `kFine`, else 8e-5.
template <bool kFine>
SPIKEDISTILL_INLINE Vec exp2_of_negative(Vec x) {
#if defined(__AVX512F__)
  const Vec n = _mm512_roundscale_ps(x, 0);  // to the nearest integer; 2^-infinity comes out as 0 all the same
#else
  x = x < -125.0f ? splat(-125.0f) : x;
  const Vec shifted = x + 12582912.0f, n = shifted - 12582912.0f;  // n in the low bits
#endif
  const Vec r = x - n;
  Vec p;
  if constexpr (kFine) {
    p = multiply_add(splat(1.32764725e-3f), r, splat(9.67554096e-3f));
    p = multiply_add(p, r, splat(5.55071309e-2f));
    p = multiply_add(p, r, splat(0.240221202f));
    p = multiply_add(p, r, splat(0.693146944f));
    p = multiply_add(p, r, splat(1.00000012f));
  } else {
    p = multiply_add(splat(5.51716685e-2f), r, splat(0.242611125f));
    p = multiply_add(p, r, splat(0.693260968f));
    p = multiply_add(p, r, splat(0.999928057f));
  }
#if defined(__AVX512F__)
  return _mm512_scalef_ps(p, n);
#else
  return reinterpret_cast<Vec>(reinterpret_cast<WordVec>(p) + (reinterpret_cast<WordVec>(shifted) << 23));
#endif
}

}  // namespace spikedistill
