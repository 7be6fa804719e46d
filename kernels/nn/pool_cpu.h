#pragma once

// What the CPU's pools share: loops over channels.

#include "kernels/nn/pool_geometry.h"
#include "kernels/nn/simd_cpu.h"

namespace engine {

using Range = RangeOf<int64_t>;
using PoolAxis = PoolAxisOf<int64_t>;
using PoolGeometry = PoolGeometryOf<int64_t>;

/// Calls body(first channel, channels left, constant number of vectors): as many whole groups of
/// four vectors as there are, with `left` a constant, then single vectors, the last perhaps
/// incomplete.
template <class Body>
ENGINE_INLINE void for_channels(int64_t channels, const Body& body) {
  constexpr int kVectors = 4;
  int64_t c = 0;
  for (; c + kVectors * kLanes <= channels; c += kVectors * kLanes) {
    body(c, std::integral_constant<int64_t, kVectors * kLanes>{},
         std::integral_constant<int, kVectors>{});
  }
  for (; c < channels; c += kLanes) body(c, channels - c, std::integral_constant<int, 1>{});
}

}  // namespace engine
