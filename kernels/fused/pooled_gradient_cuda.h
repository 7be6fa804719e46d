#pragma once

// Backward through a max pool, for the kernels that do it beside other work.

#include "kernels/nn/dropout_cuda.h"
#include "kernels/nn/pool_cuda.h"

namespace engine {

/// A user of a value that takes it through a max pool.
template <class T>
struct PooledUser {
  Slice<T> dy;  ///< behind the pool: one pixel a window; of a mean over the windows, one an image
  const uint8_t* places = nullptr;  ///< of each window's winner; kNoPlace: none
  PoolWindows windows;
  bool is_mean = false;
  float scale = 1;  ///< of dy
};

/// PooledUser::scale of a mean over a pool's windows with dropout in between.
inline float mean_scale(const PoolGeometryOf<int>& pool, const Batch& batch, double rate) {
  return dropout_scale(batch, rate) / static_cast<float>(pool.output.h * pool.output.w);
}

/// Adds the gradients of the windows that chose the pixel, in scan order.
template <int V, class T>
__device__ void add_pooled(const PooledUser<T>& user, uint32_t pixel, uint32_t channel,
                           uint32_t channels, Floats<V>& sum) {
  const PoolWindows& windows = user.windows;
  const auto [n, iy, ix] = windows.input.place(pixel);
  const auto rows = windows.y.windows(iy), columns = windows.x.windows(ix);
  for (int oy = rows.begin; oy < rows.end; ++oy) {
    for (int ox = columns.begin; ox < columns.end; ++ox) {
      const uint32_t from = windows.output_pixel(n, oy, ox);
      const int place = (iy - windows.y.start(oy)) * windows.x.kernel + ix - windows.x.start(ox);
      const auto chosen = *reinterpret_cast<const Packed<uint8_t, V>*>(
          user.places + static_cast<size_t>(from) * channels + channel);
      const uint32_t pixel_of_dy = user.is_mean ? static_cast<uint32_t>(n) : from;
      const Floats<V> gradient = load<V>(user.dy.at(pixel_of_dy, channel));
      for (int v = 0; v < V; ++v) {
        sum.at[v] += chosen.at[v] == place ? gradient.at[v] * user.scale : 0.0f;
      }
    }
  }
}

}  // namespace engine
