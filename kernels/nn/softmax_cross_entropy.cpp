#include "kernels/nn/softmax_cross_entropy.h"

#include "engine/core/error.h"
#include "engine/core/portable.h"

namespace engine {

void SoftmaxCrossEntropy::keys(Keys& keys) {
  keys.number("label_smoothing", label_smoothing,
              {.doc = "Share of the target that is spread evenly over all classes.",
               .minimum = 0,
               .maximum = 1,
               .exclusive_maximum = true});
}

Signature SoftmaxCrossEntropy::infer(std::span<const Shape> inputs,
                                     const InferContext& context) const {
  const Shape& in = inputs[0];
  if (in.h != 1 || in.w != 1) {
    fail(ExitCode::experiment, "expected one value per class (1x1 pixels), got {}", to_string(in));
  }
  if (context.classes > 0 && in.c != context.classes) {
    fail(ExitCode::experiment, "expected {} values, one for each class, got {}", context.classes,
         in.c);
  }
  return {.output = in};
}

PortableValue SoftmaxCrossEntropy::portable(const PortableNode& node) const {
  return node.graph.node("Softmax", {node.graph.as_vector(node.inputs[0])}, {{"axis", int64_t{1}}});
}

}  // namespace engine
