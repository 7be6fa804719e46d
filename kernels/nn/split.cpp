#include "kernels/nn/split.h"

#include <fmt/format.h>

#include "engine/core/portable.h"

namespace engine {

void FanOut::keys(Keys& keys) {
  keys.integer("copies", copies,
               {.doc = "Number of users of the value.", .required = true, .minimum = 1});
}

Signature FanOut::infer(std::span<const Shape> inputs, const InferContext&) const {
  return {.output = inputs[0]};
}

std::string FanOut::brief() const {
  return fmt::format("{} users", copies);
}

PortableValue FanOut::portable(const PortableNode& node) const {
  return node.inputs[0];
}

}  // namespace engine
