#pragma once

// What the GPU's pools share: a thread's place in a pooled image, and where its windows lie.

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

}  // namespace engine
