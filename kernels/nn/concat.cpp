#include "kernels/nn/concat.h"

#include "engine/core/error.h"

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

}  // namespace engine
