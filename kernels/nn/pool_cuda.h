#pragma once

// What the GPU's pools share: a thread's place in a pooled image, where its windows lie, and which
// of a window's values is the largest.

#include "engine/cuda/kernel.h"
#include "engine/cuda/tensor_items.h"
#include "kernels/nn/pool_geometry.h"

namespace engine {

/// Pixels of images of one size, by number.
struct PixelRows {
  Divider width, height;

  struct Place {
    int n, y, x;
  };
  ENGINE_HD Place place(uint32_t pixel) const {
    const uint32_t row = width.divide(pixel), n = height.divide(row);
    return {static_cast<int>(n), static_cast<int>(height.remainder(row, n)),
            static_cast<int>(width.remainder(pixel, row))};
  }
};

struct PoolWindows {
  PoolWindows() = default;
  explicit PoolWindows(const PoolGeometryOf<int>& geometry)
      : y(geometry.y),
        x(geometry.x),
        input{Divider(static_cast<uint32_t>(x.size)), Divider(static_cast<uint32_t>(y.size))},
        output{Divider(static_cast<uint32_t>(x.out)), Divider(static_cast<uint32_t>(y.out))} {}

  PoolAxisOf<int> y{}, x{};
  PixelRows input, output;

  ENGINE_HD uint32_t input_pixel(int n, int iy, int ix) const {
    return static_cast<uint32_t>((n * y.size + iy) * x.size + ix);
  }
  ENGINE_HD uint32_t output_pixel(int n, int oy, int ox) const {
    return static_cast<uint32_t>((n * y.out + oy) * x.out + ox);
  }
};

/// In place of a winner's place, where that is a byte: the window takes no gradient.
inline constexpr uint8_t kNoPlace = 255;

/// The largest values of V channels of a window, and their places in it in scan order.
template <int V>
struct Winners {
  Floats<V> values;
  int places[V];
};

/// Reads each value of a window once. Of equal values the first stays; NaN wins over everything.
template <int V, class T>
__device__ Winners<V> winners_of(const Slice<T>& x, const PoolWindows& windows, int n, int oy,
                                 int ox, uint32_t channel) {
  const int top = windows.y.start(oy), left = windows.x.start(ox);
  const auto rows = windows.y.places(oy), columns = windows.x.places(ox);
  Winners<V> best;
  best.values =
      load<V>(x.at(windows.input_pixel(n, top + rows.begin, left + columns.begin), channel));
  for (int v = 0; v < V; ++v) best.places[v] = rows.begin * windows.x.kernel + columns.begin;
  for (int ky = rows.begin; ky < rows.end; ++ky) {
    for (int kx = columns.begin; kx < columns.end; ++kx) {
      const auto now = load<V>(x.at(windows.input_pixel(n, top + ky, left + kx), channel));
      const int place = ky * windows.x.kernel + kx;
      for (int v = 0; v < V; ++v) {
        const bool wins = now.at[v] > best.values.at[v] || now.at[v] != now.at[v];
        best.values.at[v] = wins ? now.at[v] : best.values.at[v];
        best.places[v] = wins ? place : best.places[v];
      }
    }
  }
  return best;
}

}  // namespace engine
