#pragma once

// Attribute types that several ops share.

#include <array>
#include <cstdint>

#include "engine/core/keys.h"

namespace engine {

/// Height and width; written as one number for both, or [height, width].
class Pair : public CustomValue {
 public:
  Pair(int64_t both, int64_t minimum) : h(both), w(both), minimum_(minimum) {}
  std::optional<std::string> read(const Value& value) override;
  Value write() const override;
  Value schema() const override;

  int64_t h, w;

 private:
  int64_t minimum_;
};

/// Pixels added around an image before a window slides over it.
struct Margins {
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  bool operator==(const Margins&) const = default;
};

/// "same" (TensorFlow's: output = ceil(in / stride), the odd pixel goes after), "valid" (none),
/// one number for all sides, [height, width], or [top, bottom, left, right].
class Padding : public CustomValue {
 public:
  enum class Mode { same, valid, explicit_margins };

  std::optional<std::string> read(const Value& value) override;
  Value write() const override;
  Value schema() const override;

  Mode mode = Mode::same;
  Margins margins;  ///< for explicit_margins
};

/// A window that slides over an image: what convolution and pooling have in common.
struct Window {
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  Margins padding;  ///< resolved
  int64_t out_h = 0, out_w = 0;
};

/// Resolves padding for an input of h x w. Throws Error (experiment) "... window of 5x5 does not
/// fit into 3x3" when the output would be empty.
Window make_window(int64_t h, int64_t w, const Pair& kernel, const Pair& stride,
                   const Pair& dilation, const Padding& padding);

/// Element-wise functions: conv2d's and dense's "activation" attribute, and the op of that name.
enum class Activation : uint8_t { none, relu, gelu, silu, tanh };

/// The key "activation" with its choices and documentation.
void activation_key(Keys& keys, std::string_view key, Activation& value, bool required = false);

}  // namespace engine
