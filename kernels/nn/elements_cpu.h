#pragma once

// Loops over all elements of tensors of one shape, whatever their pitches.

#include <algorithm>

#include "engine/core/tensor.h"
#include "engine/cpu/parallel.h"

namespace engine {

/// Calls body(count, first, rest...) with pointers to `count` neighbouring elements of each tensor,
/// until all elements have been seen once, on all threads.
template <class Body, class... Views>
void for_elements(const Body& body, const TensorView& first, const Views&... rest) {
  constexpr int64_t kElementsAtOnce = 4096;
  const int64_t c = first.shape.c;
  const bool packed = (first.packed() && ... && rest.packed());
  const int64_t grain = std::max<int64_t>(1, kElementsAtOnce / c);
  parallel_ranges(first.shape.pixels(), grain, [&](int64_t begin, int64_t end) {
    if (packed) {
      body((end - begin) * c, first.f32() + begin * c, (rest.f32() + begin * c)...);
    } else {
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        body(c, first.f32() + pixel * first.pitch, (rest.f32() + pixel * rest.pitch)...);
      }
    }
  });
}

/// Copies unless source and destination are the same memory.
inline void copy_elements(const TensorView& from, const TensorView& to) {
  if (from.data == to.data && from.pitch == to.pitch) return;
  for_elements([](int64_t count, const float* a, float* b) { std::copy_n(a, count, b); }, from, to);
}

}  // namespace engine
