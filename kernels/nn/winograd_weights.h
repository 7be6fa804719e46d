#pragma once

// Weights between their stored layout, [out / 16][in][R * R][16 outs], and the interpolation
// points, a unit at a time. All three read and write their large operand once, line by line.

#include "kernels/nn/winograd_tiles.h"

namespace engine {

/// For the forward pass: points [panel of outs][in]. One unit is 16 outs of one in.
template <int R>
void weights_to_points(const float* weights, int64_t unit, const PointTensor& points) {
  using Tables = WinogradTables<R>;
  const float* const w = weights + unit * R * R * kPanel;
  for (int64_t half = 0; half < kPanel; half += kLanes) {
    float* const to = points.at(0, 0, unit) + half;
    expand<typename Tables::G, Tables::N>(
        [&](int i, int j)
            __attribute__((always_inline)) { return load(w + (i * R + j) * kPanel + half); },
        [&](int i, int j, Vec v) __attribute__((always_inline)) {
          store(to + (i * Tables::N + j) * points.stride(), v);
        });
  }
}

/// Eight outs of up to 16 ins of the stored weights, transposed: taps[tap][out][in].
template <int R>
void transpose_weights(const float* weights, int64_t in, int64_t first_in, int64_t first_out,
                       float (*taps)[kLanes][kPanel]) {
  const float* const w =
      weights + first_out % kPanel + (first_out / kPanel * in + first_in) * R * R * kPanel;
  for (int64_t half = 0; half < kPanel; half += kLanes) {
    const int64_t count = std::clamp<int64_t>(in - first_in - half, 0, kLanes);
    for (int64_t tap = 0; tap < R * R; ++tap) {
      const float* from = w + (half * R * R + tap) * kPanel;
      int64_t from_stride = R * R * kPanel;
      alignas(32) float lines[kLanes][kLanes] = {};
      if (count < kLanes) {
        for (int64_t i = 0; i < count; ++i) store(lines[i], load(from + i * from_stride));
        from = lines[0];
        from_stride = kLanes;
      }
      transpose_8x8(from, from_stride, &taps[tap][0][half], kPanel);
    }
  }
}

/// For the gradient of the input: the kernel turned by 180 degrees, points [panel of ins][out]. One
/// unit is 8 outs of 16 ins.
template <int R>
void turned_weights_to_points(const float* weights, int64_t in, int64_t out, int64_t unit,
                              const PointTensor& points) {
  using Tables = WinogradTables<R>;
  const int64_t groups = (out + kLanes - 1) / kLanes;
  const int64_t panel = unit / groups, first_out = unit % groups * kLanes;
  alignas(32) float taps[R * R][kLanes][kPanel];  // at most 13 KB: stays in the first-level cache
  transpose_weights<R>(weights, in, panel * kPanel, first_out, taps);
  for (int64_t o = 0; o < std::min(kLanes, out - first_out); ++o) {
    for (int64_t half = 0; half < kPanel; half += kLanes) {
      float* const to = points.at(0, panel, first_out + o) + half;
      expand<typename Tables::G, Tables::N>(
          [&](int i, int j) __attribute__((always_inline)) {
            return load(&taps[R * R - 1 - i * R - j][o][half]);
          },
          [&](int i, int j, Vec v) __attribute__((always_inline)) {
            store(to + (i * Tables::N + j) * points.stride(), v);
          });
    }
  }
}

/// The gradient: from points [panel of outs][in] to the stored layout. Units as for the forward
/// pass.
template <int R>
void weights_from_points(const PointTensor& points, int64_t unit, float* weights) {
  using Tables = WinogradTables<R>;
  float* const w = weights + unit * R * R * kPanel;
  for (int64_t half = 0; half < kPanel; half += kLanes) {
    const float* const from = points.at(0, 0, unit) + half;
    contract<typename Tables::G, Tables::N>(
        [&](int i, int j) __attribute__((always_inline)) {
          return load(from + (i * Tables::N + j) * points.stride());
        },
        [&](int i, int j, Vec v)
            __attribute__((always_inline)) { store(w + (i * R + j) * kPanel + half, v); });
  }
}

}  // namespace engine
