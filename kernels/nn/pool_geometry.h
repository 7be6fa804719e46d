#pragma once

// Where a pool's windows lie on an image: the arithmetic that all devices share.

#include <cstdint>

#include "engine/core/attributes.h"
#include "engine/core/random.h"  // ENGINE_HD
#include "engine/core/tensor.h"

namespace engine {

/// A range of indices, end excluded.
template <class Int>
struct RangeOf {
  Int begin, end;
};

/// One axis of a sliding window. Int: the CPU counts in 64 bits, a GPU's kernels in 32.
template <class Int>
struct PoolAxisOf {
  Int size, out, kernel, stride, before;

  ENGINE_HD Int start(Int o) const { return o * stride - before; }  ///< may be in the padding
  /// Places inside window o that lie on the image.
  ENGINE_HD RangeOf<Int> places(Int o) const {
    const Int first = start(o), rest = size - first;
    return {first < 0 ? -first : 0, rest < kernel ? rest : kernel};
  }
  /// Windows that hold index i.
  ENGINE_HD RangeOf<Int> windows(Int i) const {
    // The earliest start, as a distance from -before.
    const Int first = i + before - kernel + 1, last = (i + before) / stride + 1;
    return {first <= 0 ? 0 : (first + stride - 1) / stride, last < out ? last : out};
  }
};

template <class Int>
struct PoolGeometryOf {
  PoolGeometryOf(const Shape& in, const Window& w)
      : input(in),
        output{in.n, w.out_h, w.out_w, in.c},
        y{static_cast<Int>(in.h), static_cast<Int>(w.out_h), static_cast<Int>(w.kernel_h),
          static_cast<Int>(w.stride_h), static_cast<Int>(w.padding.top)},
        x{static_cast<Int>(in.w), static_cast<Int>(w.out_w), static_cast<Int>(w.kernel_w),
          static_cast<Int>(w.stride_w), static_cast<Int>(w.padding.left)} {}

  Shape input, output;
  PoolAxisOf<Int> y, x;
};

}  // namespace engine
