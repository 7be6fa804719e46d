#pragma once

// Eight floats at a time, as compiler vectors: one register with AVX2 (the baseline, x86-64-v3),
// correct on any other processor. a * b + c becomes one fused instruction where there is one.

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define ENGINE_INLINE __attribute__((always_inline)) inline

namespace engine {

using Vec __attribute__((vector_size(32))) = float;
using UnalignedVec __attribute__((vector_size(32), aligned(4), may_alias)) = float;

constexpr int64_t kLanes = 8;
/// Channels are grouped into panels of 16: two vectors, one cache line.
constexpr int64_t kPanel = 16;

constexpr int64_t panels(int64_t channels) {
  return (channels + kPanel - 1) / kPanel;
}

ENGINE_INLINE Vec load(const float* p) {
  return *reinterpret_cast<const UnalignedVec*>(p);
}
ENGINE_INLINE void store(float* p, Vec v) {
  *reinterpret_cast<UnalignedVec*>(p) = v;
}
ENGINE_INLINE Vec broadcast(float x) {
  return Vec{x, x, x, x, x, x, x, x};
}
ENGINE_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return a * b + c;
}
/// Passes NaN on, so that a broken value is seen where it arises.
ENGINE_INLINE Vec relu(Vec x) {
  return x < Vec{} ? Vec{} : x;
}
/// x where y > 0, else 0: the gradient through a ReLU whose output was y.
ENGINE_INLINE Vec where_positive(Vec x, Vec y) {
  return y > Vec{} ? x : Vec{};
}

/// The first `count` floats (count may be below 0 or above 8); the rest is 0 and not read.
ENGINE_INLINE Vec load_first(const float* p, int64_t count) {
  if (count >= kLanes) return load(p);
  alignas(32) float lanes[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = p[i];
  return load(lanes);
}
ENGINE_INLINE void store_first(float* p, Vec v, int64_t count) {
  if (count >= kLanes) return store(p, v);
  alignas(32) float lanes[kLanes];
  store(lanes, v);
  for (int64_t i = 0; i < count; ++i) p[i] = lanes[i];
}

/// body(0), body(1) ... body(N - 1) with the index as a compile-time constant, so that arrays of
/// vectors stay in registers.
template <int N, class Body>
ENGINE_INLINE void unroll(const Body& body) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (body(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

/// Eight rows of eight floats become eight columns.
ENGINE_INLINE void transpose_8x8(const float* from, int64_t from_stride, float* to,
                                 int64_t to_stride) {
  Vec a[8], b[8];
  unroll<8>([&](auto i) __attribute__((always_inline)) { a[i] = load(from + i * from_stride); });
  unroll<4>([&](auto i) __attribute__((always_inline)) {
    const Vec x = a[2 * i], y = a[2 * i + 1];
    b[2 * i] = __builtin_shufflevector(x, y, 0, 8, 1, 9, 4, 12, 5, 13);
    b[2 * i + 1] = __builtin_shufflevector(x, y, 2, 10, 3, 11, 6, 14, 7, 15);
  });
  unroll<4>([&](auto i) __attribute__((always_inline)) {
    constexpr int first = i / 2 * 4 + i % 2;
    const Vec x = b[first], y = b[first + 2];
    a[i / 2 * 4 + i % 2 * 2] = __builtin_shufflevector(x, y, 0, 1, 8, 9, 4, 5, 12, 13);
    a[i / 2 * 4 + i % 2 * 2 + 1] = __builtin_shufflevector(x, y, 2, 3, 10, 11, 6, 7, 14, 15);
  });
  unroll<4>([&](auto i) __attribute__((always_inline)) {
    const Vec x = a[i], y = a[i + 4];
    store(to + i * to_stride, __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11));
    store(to + (i + 4) * to_stride, __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15));
  });
}

}  // namespace engine
