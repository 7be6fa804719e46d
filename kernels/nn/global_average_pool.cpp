#include "kernels/nn/global_average_pool.h"

#include "engine/core/portable.h"

namespace engine {

Signature GlobalAveragePool::infer(std::span<const Shape> inputs, const InferContext&) const {
  return {.output = {inputs[0].n, 1, 1, inputs[0].c}};
}

PortableValue GlobalAveragePool::portable(const PortableNode& node) const {
  return node.graph.node("GlobalAveragePool", {node.graph.as_image(node.inputs[0])});
}

}  // namespace engine
