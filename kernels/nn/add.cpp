#include "kernels/nn/add.h"

#include "engine/core/error.h"
#include "engine/core/portable.h"

namespace engine {

Signature Add::infer(std::span<const Shape> inputs, const InferContext&) const {
  for (const Shape& input : inputs) {
    if (input != inputs[0]) {
      fail(ExitCode::experiment, "cannot add {} and {}: all inputs must have the same shape",
           to_string(inputs[0]), to_string(input));
    }
  }
  return {.output = inputs[0]};
}

PortableValue Add::portable(const PortableNode& node) const {
  return node.graph.node(node.inputs.size() == 2 ? "Add" : "Sum", node.inputs_alike());
}

}  // namespace engine
