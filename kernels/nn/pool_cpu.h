#pragma once

// What the CPU's pools share: where a window lies on the image, and loops over channels.

#include <algorithm>

#include "engine/core/attributes.h"
#include "engine/core/tensor.h"
#include "kernels/nn/simd_cpu.h"

namespace engine {

/// A range of indices, end excluded.
struct Range {
  int64_t begin, end;
};

/// One axis of a sliding window.
struct PoolAxis {
  int64_t size, out, kernel, stride, before;

  int64_t start(int64_t o) const { return o * stride - before; }  ///< may be in the padding
  /// Places inside window o that lie on the image.
  Range places(int64_t o) const {
    const int64_t first = start(o);
    return {std::max<int64_t>(0, -first), std::min(kernel, size - first)};
  }
  /// Windows that hold index i.
  Range windows(int64_t i) const {
    const int64_t first =
        i + before - kernel + 1;  // the earliest start, as a distance from -before
    return {first <= 0 ? 0 : (first + stride - 1) / stride,
            std::min(out, (i + before) / stride + 1)};
  }
};

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

struct PoolGeometry {
  PoolGeometry(const Shape& in, const Window& w)
      : input(in),
        output{in.n, w.out_h, w.out_w, in.c},
        y{in.h, w.out_h, w.kernel_h, w.stride_h, w.padding.top},
        x{in.w, w.out_w, w.kernel_w, w.stride_w, w.padding.left} {}

  Shape input, output;
  PoolAxis y, x;
};

}  // namespace engine
