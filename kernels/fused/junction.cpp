#include "kernels/fused/junction.h"

#include <fmt/format.h>

namespace engine {

void Junction::keys(Keys& keys) {
  keys.integer("inputs", inputs,
               {.doc = "Number of inputs.", .minimum = 1, .maximum = kMostInputs});
  keys.integer("users", users, {.doc = "Number of users.", .minimum = 1, .maximum = kMostUsers});
  keys.integer("relu", relu, {.doc = "Bit i: input i ends in a ReLU.", .minimum = 0});
}

Signature Junction::infer(std::span<const Shape> inputs, const InferContext&) const {
  Shape output = inputs[0];
  output.c = 0;
  for (const Shape& input : inputs) output.c += input.c;
  return {.output = output};
}

std::string Junction::brief() const {
  return fmt::format("{} inputs, {} users", inputs, users);
}

}  // namespace engine
