#include "kernels/nn/pool.h"

#include "engine/core/error.h"

namespace engine {

void Pool::keys(Keys& keys) {
  keys.custom("kernel", kernel, {.doc = "Height and width of the window.", .required = true});
  keys.custom("stride", stride, {.doc = "Step of the window.", .required = true});
  keys.custom("padding", padding, {.doc = "Pixels added around the image."});
}

Window Pool::window(const Shape& input) const {
  return make_window(input.h, input.w, kernel, stride, Pair(1, 1), padding);
}

Signature Pool::infer(std::span<const Shape> inputs, const InferContext&) const {
  const Shape& in = inputs[0];
  const Window w = window(in);
  return {.output = {in.n, w.out_h, w.out_w, in.c}};
}

std::string Pool::brief() const {
  std::string text = fmt::format("{}x{}", kernel.h, kernel.w);
  if (stride.h == stride.w) {
    if (stride.h != 1) text += fmt::format("/{}", stride.h);
  } else {
    text += fmt::format("/{}x{}", stride.h, stride.w);
  }
  return text;
}

}  // namespace engine
