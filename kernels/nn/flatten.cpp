#include "kernels/nn/flatten.h"

#include "engine/core/portable.h"

namespace engine {

Signature Flatten::infer(std::span<const Shape> inputs, const InferContext&) const {
  return {.output = {inputs[0].n, 1, 1, inputs[0].per_sample()}};
}

PortableValue Flatten::portable(const PortableNode& node) const {
  PortableValue x = node.inputs[0];
  const Shape& shape = node.shapes[0];
  if (shape.h * shape.w == 1) return node.graph.as_vector(x);
  if (shape.c > 1) {  // the channels are the fastest here, and the slowest in ONNX
    x = node.graph.node("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  }
  x = node.graph.node("Flatten", {x}, {{"axis", int64_t{1}}});
  x.vector = true;
  return x;
}

}  // namespace engine
