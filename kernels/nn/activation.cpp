#include "kernels/nn/activation.h"

#include <cmath>

#include "engine/core/portable.h"

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

PortableValue ActivationOp::portable(const PortableNode& node) const {
  return portable_activation(node.graph, function, node.inputs[0]);
}

PortableValue portable_activation(PortableGraph& graph, Activation function,
                                  const PortableValue& x) {
  switch (function) {
    case Activation::relu:
      return graph.node("Relu", {x});
    case Activation::gelu: {  // opset 17 has no Gelu
      const PortableValue argument =
          graph.node("Mul", {x, graph.number("sqrt_half", static_cast<float>(M_SQRT1_2))});
      const PortableValue erf = graph.node("Erf", {argument});
      const PortableValue twice = graph.node("Add", {erf, graph.number("one", 1)});
      const PortableValue half = graph.node("Mul", {x, graph.number("half", 0.5f)});
      return graph.node("Mul", {half, twice});
    }
    case Activation::silu:
      return graph.node("Mul", {x, graph.node("Sigmoid", {x})});
    case Activation::tanh:
      return graph.node("Tanh", {x});
    case Activation::none:
      break;
  }
  return x;
}

}  // namespace engine
