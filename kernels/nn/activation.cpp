#include "kernels/nn/activation.h"

namespace engine {

void ActivationOp::keys(Keys& keys) {
  keys.choice(
      "function", function,
      {{"relu", Activation::relu},
       {"gelu", Activation::gelu},
       {"silu", Activation::silu},
       {"tanh", Activation::tanh}},
      {.doc = "Applied to each element; gelu is the exact one, x * (1 + erf(x / sqrt(2))) / 2.",
       .required = true});
}

Signature ActivationOp::infer(std::span<const Shape> inputs, const InferContext&) const {
  return {.output = inputs[0]};
}

BackwardReads ActivationOp::backward_reads() const {
  // The derivatives of relu and tanh follow from their values, the others' need the argument.
  const bool by_output = function == Activation::relu || function == Activation::tanh;
  return {.inputs = !by_output, .output = by_output};
}

std::string ActivationOp::brief() const {
  switch (function) {
    case Activation::relu:
      return "relu";
    case Activation::gelu:
      return "gelu";
    case Activation::silu:
      return "silu";
    case Activation::tanh:
      return "tanh";
    case Activation::none:
      break;
  }
  return {};
}

}  // namespace engine
