#include "kernels/nn/dropout.h"

#include <fmt/format.h>

#include "engine/core/portable.h"

namespace engine {

void Dropout::keys(Keys& keys) {
  keys.number("rate", rate,
              {.doc = "Probability that an element is dropped.",
               .required = true,
               .minimum = 0,
               .maximum = 1,
               .exclusive_maximum = true});
}

Signature Dropout::infer(std::span<const Shape> inputs, const InferContext&) const {
  return {.output = inputs[0]};
}

std::string Dropout::brief() const {
  return fmt::format("{}", rate);
}

PortableValue Dropout::portable(const PortableNode& node) const {
  return node.inputs[0];
}

}  // namespace engine
