#pragma once

// Where a window slides, for the references.

#include <algorithm>

#include "tests/support/reference.h"

namespace engine::test {

/// An attribute that is one number for both axes or [height, width].
inline void read_pair(const Value& attributes, std::string_view key, int64_t fallback,
                      int64_t* pair) {
  pair[0] = pair[1] = fallback;
  const Value* value = attributes.find(key);
  if (!value) return;
  for (size_t axis = 0; axis < 2; ++axis) {
    pair[axis] = value->is(Value::Kind::array) ? value->array()[axis].integer() : value->integer();
  }
}

/// A window on an image; axis 0 is height.
struct Sliding {
  int64_t in[2], kernel[2], stride[2], dilation[2], before[2], out[2];

  Sliding(const Shape& shape, const Value& attributes) : in{shape.h, shape.w} {
    read_pair(attributes, "kernel", 1, kernel);
    read_pair(attributes, "stride", 1, stride);
    read_pair(attributes, "dilation", 1, dilation);
    const Value* padding = attributes.find("padding");
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t reach = (kernel[axis] - 1) * dilation[axis] + 1;
      int64_t total = 0;
      before[axis] = 0;
      if (!padding || (padding->is(Value::Kind::string) && padding->string() == "same")) {
        const int64_t wanted = (in[axis] + stride[axis] - 1) / stride[axis];
        total = std::max<int64_t>((wanted - 1) * stride[axis] + reach - in[axis], 0);
        before[axis] = total / 2;
      } else if (padding->is(Value::Kind::integer)) {
        before[axis] = padding->integer();
        total = 2 * before[axis];
      } else if (padding->is(Value::Kind::array)) {
        const bool four = padding->array().size() == 4;
        const size_t first = static_cast<size_t>(four ? 2 * axis : axis);
        before[axis] = padding->array()[first].integer();
        total = before[axis] + padding->array()[four ? first + 1 : first].integer();
      }
      out[axis] = (in[axis] + total - reach) / stride[axis] + 1;
    }
  }

  /// The input's row (axis 0) or column under place k of the window of output row or column o.
  int64_t input(int axis, int64_t o, int64_t k) const {
    return o * stride[axis] - before[axis] + k * dilation[axis];
  }

  /// Calls body(input row, input column, ky, kx) for the places of a window that lie on the image.
  template <class Body>
  void for_places(int64_t oy, int64_t ox, const Body& body) const {
    for (int64_t ky = 0; ky < kernel[0]; ++ky) {
      for (int64_t kx = 0; kx < kernel[1]; ++kx) {
        const int64_t iy = input(0, oy, ky), ix = input(1, ox, kx);
        if (iy >= 0 && iy < in[0] && ix >= 0 && ix < in[1]) body(iy, ix, ky, kx);
      }
    }
  }
};

}  // namespace engine::test
