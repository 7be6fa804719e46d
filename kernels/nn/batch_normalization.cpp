#include "kernels/nn/batch_normalization.h"

#include "engine/core/portable.h"

namespace engine {

void BatchNormalization::keys(Keys& keys) {
  keys.number("momentum", momentum,
              {.doc = "Share of a batch's statistics in the running ones, as in PyTorch (Keras's "
                      "momentum is one minus this).",
               .minimum = 0,
               .maximum = 1});
  keys.number(
      "epsilon", epsilon,
      {.doc = "Added to the variance before the square root.", .minimum = 1e-12, .maximum = 1e6});
}

Signature BatchNormalization::infer(std::span<const Shape> inputs, const InferContext&) const {
  using Kind = Initializer::Kind;
  const int64_t c = inputs[0].c;
  return {.output = inputs[0],
          .parameters = {{"weight", {c}, {Kind::ones}},
                         {"bias", {c}, {Kind::zeros}},
                         {"running_mean", {c}, {Kind::zeros}, false},
                         {"running_var", {c}, {Kind::ones}, false}}};
}

PortableValue BatchNormalization::portable(const PortableNode& node) const {
  std::vector<PortableValue> inputs{node.inputs[0]};
  inputs.insert(inputs.end(), node.parameters.begin(), node.parameters.end());
  return node.graph.node("BatchNormalization", inputs, {{"epsilon", epsilon}});
}

}  // namespace engine
