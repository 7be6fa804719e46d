#pragma once

// What the stem's kernels know of where things lie: images, tiles of the pooled image, and the
// patch of an image below a tile in shared memory.

#include "engine/cuda/kernel.h"
#include "engine/cuda/tensor_items.h"
#include "kernels/fused/stem.h"
#include "kernels/nn/pool_cuda.h"

namespace engine {

/// A tile of one image: its pooled pixels, and the convolution's outputs below them.
struct StemPlace {
  int n;
  RangeOf<int> pooled_y, pooled_x, y, x;

  ENGINE_HD int rows() const { return y.end - y.begin; }
  ENGINE_HD int columns() const { return x.end - x.begin; }
};

/// Channels are the fastest index of images and of weights, so a row of c channels is a row of c
/// times as many pixels, and a row of a filter's taps a row of kernel_w * c.
struct StemShape {
  PoolAxisOf<int> conv_y, conv_x, pool_y, pool_x;
  int channels, filters;
  int tile_height, tile_width;  ///< in pooled pixels
  int outputs, patch_pitch;     ///< as StemTile's

  ENGINE_HD int row_taps() const { return conv_x.kernel * channels; }
  ENGINE_HD int taps() const { return conv_y.kernel * row_taps(); }
  ENGINE_HD int tiles_y() const { return (pool_y.out + tile_height - 1) / tile_height; }
  ENGINE_HD int tiles_x() const { return (pool_x.out + tile_width - 1) / tile_width; }
  ENGINE_HD int tiles() const { return tiles_y() * tiles_x(); }

  /// Tile number i of all images.
  __device__ StemPlace place(int i) const {
    const int n = i / tiles(), tile = i - n * tiles();
    const int top = tile / tiles_x() * tile_height, left = tile % tiles_x() * tile_width;
    StemPlace place{n,
                    {top, min(top + tile_height, pool_y.out)},
                    {left, min(left + tile_width, pool_x.out)},
                    {},
                    {}};
    place.y = below(pool_y, place.pooled_y);
    place.x = below(pool_x, place.pooled_x);
    return place;
  }
  __device__ uint32_t pooled_pixel(const StemPlace& place, int y, int x) const {
    return static_cast<uint32_t>((place.n * pool_y.out + y) * pool_x.out + x);
  }
  /// Where in the patch the window of the output at (y, x) begins, counted from the tile's first.
  ENGINE_HD int patch_at(int y, int x) const {
    return y * conv_y.stride * patch_pitch + x * conv_x.stride * channels;
  }

 private:
  /// The pixels that windows look at.
  static __device__ RangeOf<int> below(const PoolAxisOf<int>& axis, RangeOf<int> windows) {
    const int last = axis.start(windows.end - 1) + axis.kernel;
    return {max(axis.start(windows.begin), 0), min(last, axis.size)};
  }
};

/// Reads the part of an image that a tile's outputs see, zero where it is padding; a warp takes a
/// row.
template <class T>
__device__ void read_patch(Slice<T> images, const StemShape& shape, const StemPlace& place,
                           float* patch) {
  const int rows = (place.rows() - 1) * shape.conv_y.stride + shape.conv_y.kernel;
  const int columns = (place.columns() - 1) * shape.conv_x.stride + shape.conv_x.kernel;
  const int top = shape.conv_y.start(place.y.begin), left = shape.conv_x.start(place.x.begin);
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  for (int row = warp; row < rows; row += static_cast<int>(blockDim.x / 32)) {
    const int y = top + row;
    for (int column = lane; column < columns; column += 32) {
      const int x = left + column;
      const bool inside = y >= 0 && y < shape.conv_y.size && x >= 0 && x < shape.conv_x.size;
      const int pixel = (place.n * shape.conv_y.size + y) * shape.conv_x.size + x;
      float* to = patch + row * shape.patch_pitch + column * shape.channels;
      for (int c = 0; c < shape.channels; ++c) {
        to[c] = inside
                    ? to_float(*images.at(static_cast<uint32_t>(pixel), static_cast<uint32_t>(c)))
                    : 0.0f;
      }
    }
  }
}

}  // namespace engine
