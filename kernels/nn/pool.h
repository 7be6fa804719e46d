#pragma once

#include "engine/core/attributes.h"
#include "engine/core/op.h"

namespace engine {

/// What max_pool and average_pool have in common: a window that slides over height and width, each
/// channel by itself. Input (n, h, w, c), output (n, out_h, out_w, c).
class Pool : public Op {
 public:
  void keys(Keys& keys) override;
  /// Throws Error (experiment) when the window does not fit, or when padding is as wide as the
  /// window (see make_window).
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  std::string brief() const override;

  Window window(const Shape& input) const;

  Pair kernel{2, 1};
  Pair stride{2, 1};
  Padding padding;
};

}  // namespace engine
