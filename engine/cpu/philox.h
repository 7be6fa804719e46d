#pragma once

// Philox in vector code: the same numbers as RandomKey::draw, several places at a time.

#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "engine/core/random.h"

namespace engine {

/// Words that draw_words() makes at once: those of eight neighbouring places.
constexpr int64_t kWordsAtOnce = 32;

namespace philox_detail {

using Wide __attribute__((vector_size(32))) = uint64_t;

/// Product of the low halves of each lane.
inline __attribute__((always_inline)) Wide multiply_low(Wide a, uint64_t b) {
#if defined(__AVX2__)
  // Compilers make three multiplications of the plain form.
  return reinterpret_cast<Wide>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(static_cast<int64_t>(b))));
#else
  return (a & 0xFFFFFFFFu) * b;
#endif
}

}  // namespace philox_detail

/// words[4 * p + i] = key.draw(place + p, epoch, sample).word[i] for p in 0 .. 7. Counters and
/// words lie in the low halves of 64-bit lanes, where the multiplication wants them; the high
/// halves hold leftovers until the end.
inline void draw_words(RandomKey key, uint32_t place, uint32_t epoch, uint32_t sample,
                       uint32_t* words) {
  using philox_detail::multiply_low;
  using philox_detail::Wide;
  constexpr int kVectors = 2, kLanes = 4;
  Wide c0[kVectors], c1[kVectors], c2[kVectors], c3[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    c0[v] = Wide{0, 1, 2, 3} + (uint64_t{place} + static_cast<uint64_t>(v * kLanes));
    c1[v] = Wide{} + epoch;
    c2[v] = Wide{} + sample;
    c3[v] = Wide{};
  }
  uint32_t k0 = key.seed, k1 = key.stream;
  for (int round = 0; round < 10; ++round) {
    for (int v = 0; v < kVectors; ++v) {
      const Wide p0 = multiply_low(c0[v], 0xD2511F53u), p1 = multiply_low(c2[v], 0xCD9E8D57u);
      c0[v] = (p1 >> 32) ^ c1[v] ^ (Wide{} + k0);
      c2[v] = (p0 >> 32) ^ c3[v] ^ (Wide{} + k1);
      c1[v] = p1;
      c3[v] = p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int v = 0; v < kVectors; ++v) {
    const Wide a = (c0[v] & 0xFFFFFFFFu) | (c1[v] << 32), b = (c2[v] & 0xFFFFFFFFu) | (c3[v] << 32);
    const Wide front = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const Wide back = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    std::memcpy(words + 16 * v, &front, sizeof(front));
    std::memcpy(words + 16 * v + 8, &back, sizeof(back));
  }
}

}  // namespace engine
