#include "kernels/nn/concat.h"

#include "engine/core/error.h"
#include "engine/core/portable.h"

namespace engine {

Signature Concat::infer(std::span<const Shape> inputs, const InferContext&) const {
  Shape output = inputs[0];
  output.c = 0;
  for (const Shape& input : inputs) {
    if (input.n != output.n || input.h != output.h || input.w != output.w) {
      fail(ExitCode::experiment,
           "cannot concatenate the channels of {} and {}: height and width must be the same",
           to_string(inputs[0]), to_string(input));
    }
    output.c += input.c;
  }
  return {.output = output};
}

PortableValue Concat::portable(const PortableNode& node) const {
  return node.graph.node("Concat", node.inputs_alike(), {{"axis", int64_t{1}}});
}

}  // namespace engine
