#pragma once

// Counter-based random numbers: a value is a pure function of (seed, stream, place, epoch, sample).
// There is no generator state, so noise, dropout and shuffles are the same for every batch size,
// thread count and device, and a resumed run continues without remembering anything.

#include <cmath>
#include <cstdint>
#include <string_view>

#if defined(__CUDACC__)
#define ENGINE_HD __host__ __device__ inline
#else
#define ENGINE_HD inline
#endif

namespace engine {

struct Philox4 {
  uint32_t word[4];
};

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011),
/// the same bits as cuRAND's and NumPy's for the same counter and key.
ENGINE_HD Philox4 philox4x32(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0,
                             uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

/// Who draws. The key of every draw is (seed, stream): different users never share numbers.
struct RandomKey {
  uint32_t seed = 0;
  uint32_t stream = 0;

  /// Four words for one place (for tensors: element index / 4) of one sample in one epoch.
  ENGINE_HD Philox4 draw(uint32_t place, uint32_t epoch, uint32_t sample) const {
    return philox4x32(place, epoch, sample, 0, seed, stream);
  }
};

/// The stream of a named user, e.g. ("dropout", "inception_a.dropout1"): FNV-1a of "purpose/name".
constexpr uint32_t random_stream(std::string_view purpose, std::string_view name) {
  uint32_t hash = 2166136261u;
  auto feed = [&hash](char c) { hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u; };
  for (char c : purpose) feed(c);
  feed('/');
  for (char c : name) feed(c);
  return hash;
}

/// Uniform in (0, 1]: cuRAND's curand_uniform.
ENGINE_HD float uniform_from_bits(uint32_t bits) {
  return static_cast<float>(bits) * 2.3283064e-10f + (2.3283064e-10f / 2.0f);
}

/// Two standard normals from two words: Box-Muller with cuRAND's constants (curand_normal2).
ENGINE_HD void normals_from_bits(uint32_t a, uint32_t b, float& first, float& second) {
  const float u = uniform_from_bits(a);
  const float v =
      static_cast<float>(b) * (2.3283064e-10f * 6.2831855f) + (2.3283064e-10f * 6.2831855f / 2.0f);
  const float radius = sqrtf(-2.0f * logf(u));
  first = radius * sinf(v);
  second = radius * cosf(v);
}

}  // namespace engine
